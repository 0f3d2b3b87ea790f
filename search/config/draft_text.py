"""The text of a first config: its lines, with comments, and what YAML must quote."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from workers.recipe import Source

COLUMN = 27  # where comments begin
METHODS = ("linear", "task_arithmetic", "ties", "dare_ties")
EXPLAINED = "Every key is explained in docs/config.md; `mergefront doctor` checks the file."

Line = tuple[str, str]
"""A line of YAML, and its comment."""


@dataclass(frozen=True)
class DraftContent:
    """What a first config says.

    Args:
        file: to be written: paths in it are relative to its folder.
        objectives: name -> the settings of an objective.
        space: the lines of that section.
        extra: lines of sections that few configs need.
        notes: comments at the head of the file.
    """

    file: Path
    base: Source
    models: Mapping[str, Source]
    objectives: Mapping[str, Mapping[str, Any]]
    space: Sequence[Line]
    task_folder: Path | None = None
    tokenizer: str | None = None
    methods: Sequence[str] = METHODS
    trials: int = 200
    extra: Sequence[Line] = ()
    notes: Sequence[str] = field(default=())

    @property
    def text(self) -> str:
        """The config file."""
        head = ["# " + " ".join(note.split("\n")) for note in (EXPLAINED, *self.notes)]
        body = [_commented(*line) for line in self._lines()]
        return "\n".join(head + body) + "\n"

    def _lines(self) -> Iterator[Line]:
        folder = self.file.parent
        yield f"name: {yaml_text(self.file.stem)}", ""
        yield f"base: {yaml_text(_model(self.base, folder))}", ""
        yield "models:", ""
        for name, source in self.models.items():
            yield f"  {yaml_text(name)}: {yaml_text(_model(source, folder))}", ""
        if self.tokenizer:
            yield f"tokenizer: {yaml_text(self.tokenizer)}", "whose tokens a merged model has"
        yield f"methods: {yaml_text(list(self.methods))}", ""
        yield "space:", ""
        yield from ((f"  {text}", comment) for text, comment in self.space)
        if self.task_folder:
            yield f"tasks: {yaml_text(_relative(str(self.task_folder), folder))}", ""
        yield "objectives:", ""
        for name, settings in self.objectives.items():
            yield f"  {yaml_text(name)}: {yaml_text(dict(settings))}", ""
        yield from self.extra
        yield (
            "documents: {search: 0.6, selection: 0.2, report: 0.2}",
            "the search sees the first only",
        )
        yield f"budget: {{trials: {self.trials}}}", "also `hours`; the first limit ends the search"
        yield f"run: {yaml_text(f'runs/{self.file.stem}')}", ""
        yield "seed: 0", ""


def yaml_text(value: Any) -> str:
    """A value on one line of YAML, quoted where YAML would read something else.

    >>> print(yaml_text("on"), yaml_text("models/a b"), yaml_text({"task": "a: b"}))
    'on' models/a b {task: 'a: b'}
    """
    dumped: str = yaml.safe_dump(
        [value], default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6
    )
    return dumped.strip()[1:-1]


def _commented(text: str, comment: str) -> str:
    return f"{text:<{COLUMN - 2}}  # {comment}" if comment else text


def _model(source: Source, folder: Path) -> str | dict[str, Any]:
    """A model as a config names it; as a mapping where the text would be read otherwise."""
    adapter = source.adapter and _relative(source.adapter, folder)
    moved = replace(source, path=_relative(source.path, folder), adapter=adapter)
    is_plain = not any(mark in text for text in (moved.path, adapter or "") for mark in "+@")
    return str(moved) if is_plain and not moved.layers else moved.to_dict()


def _relative(path: str, folder: Path) -> str:
    """A local path as it is written in a config of this folder; a hub id as it is."""
    return os.path.relpath(path, folder) if Path(path).exists() else path
