"""Replaces lm-eval's template environment: templates are sandboxed, and compiled only once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import lm_eval.utils
from jinja2.sandbox import SandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2 import Template


class Templates:
    """Replaces lm-eval's plain Jinja environment, in which a template can run any command.

    Templates are rendered in Jinja's sandbox, to the same text, unless their source is trusted.
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
        """Render these templates, and from now on only these, outside the sandbox."""
        self._trusted = frozenset(sources)
        self.from_string.cache_clear()

    def _compile(self, source: str) -> Template:
        environment = self._plain if source in self._trusted else self._sandbox
        template: Template = environment.from_string(source)
        return template


TEMPLATES = Templates()
lm_eval.utils.env = TEMPLATES  # lm-eval's `apply_template` calls only `from_string`
