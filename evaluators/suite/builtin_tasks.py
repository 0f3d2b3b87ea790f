"""Finds the folders of lm-eval's own tasks in about a second.

lm-eval parses all of its 14,000 task files, which takes over 20 seconds. Here regular expressions
find their names, so that lm-eval parses only the folders that are needed.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import lm_eval.tasks

from evaluators.tasks import TaskFile, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFINED = re.compile(r"""^["']?(?:task|group)["']?[ ]*:[ ]*["']?([^\s"'#\[{]+)""", re.MULTILINE)
TAG = re.compile(r"""^["']?(?:tag|group)["']?[ ]*:[ ]*["']?([^\s"'#\[{]+)""", re.MULTILINE)
TAGS = re.compile(r"""^["']?(?:tag|group)["']?[ ]*:[ ]*\n((?:[ ]*-[ ]*.+\n?)+)""", re.MULTILINE)


class Names(NamedTuple):
    """The names that lm-eval's own task files define."""

    files: dict[str, Path]  # task or group -> its file
    tags: frozenset[str]  # each names all tasks that have this tag


@cache
def names() -> Names:
    """The names in all files, including the tags in files that others include."""
    files: dict[str, Path] = {}
    tags: set[str] = set()
    for path in sorted(Path(lm_eval.tasks.__file__).parent.rglob("*")):
        if path.suffix not in ("", ".yaml") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        tags.update(TAG.findall(text))
        lists = "\n".join(TAGS.findall(text))
        tags.update(line.split()[-1].strip("\"'") for line in lists.splitlines() if line.strip())
        if path.suffix == ".yaml":
            files.update(dict.fromkeys(DEFINED.findall(text), path))
    return Names(files, frozenset(tags))


def folders(requested: Iterable[str]) -> set[Path] | None:
    """The folders of these tasks, and of these groups with all their members.

    None if a name is a tag: only lm-eval's full index knows which tasks have it.
    """
    known = names()
    found: set[Path] = set()
    seen: set[str] = set()
    left = list(requested)
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        if path := known.files.get(name):
            found.add(path.parent)
            left += TaskFile(path, name, read_file(path)).children
        elif name in known.tags:
            return None
    return found
