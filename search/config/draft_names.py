"""Short names that a config accepts, made from those of models and tasks."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from itertools import chain, count

from search.config.schema import RESERVED


def short_names(wanted: Iterable[str], kind: str) -> list[str]:
    """A valid name for each, all different.

    >>> short_names(["code", "code", "7b/it", "base"], "model")
    ['code', 'code-2', 'model-7b-it', 'model-base']
    """
    found: list[str] = []
    for each in wanted:
        short = _valid(each, kind)
        taken = {name.replace("-", "_") for name in found}  # a config's names differ in more
        candidates = chain([short], (f"{short}-{i}" for i in count(2)))
        found.append(next(name for name in candidates if name.replace("-", "_") not in taken))
    return found


def _valid(name: str, kind: str) -> str:
    short = re.sub(r"\W+", "-", name).strip("-") or kind
    if not short[0].isalpha() or short in RESERVED or keyword.iskeyword(short):
        return f"{kind}-{short}"
    return short
