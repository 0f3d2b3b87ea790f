"""lm-eval's templates, kept from reaching beyond a document, and compiled once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import lm_eval.utils
from jinja2.sandbox import SandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2 import Template


class Templates:
    """Stands in for lm-eval's plain Jinja environment, in which a template can run any command.

    Templates render in Jinja's sandbox, to the same text, unless they are trusted word for word.
    lm-eval compiles a template again for every document and candidate; here it is compiled once.
    """

    def __init__(self) -> None:
        self._plain = lm_eval.utils.env
        self._sandbox = SandboxedEnvironment(
            undefined=self._plain.undefined,
            keep_trailing_newline=self._plain.keep_trailing_newline,
        )
        self._sandbox.filters = self._plain.filters
        self._trusted: frozenset[str] = frozenset()
        self.from_string = cache(self._compile)

    def trust(self, sources: Iterable[str]) -> None:
        """Let these templates do what they want; no others, from now on."""
        self._trusted = frozenset(sources)
        self.from_string.cache_clear()

    def _compile(self, source: str) -> Template:
        environment = self._plain if source in self._trusted else self._sandbox
        template: Template = environment.from_string(source)
        return template


TEMPLATES = Templates()
lm_eval.utils.env = TEMPLATES  # all that `apply_template` asks of it is `from_string`
