"""A first config for models that somebody has: `mergefront init`."""

from __future__ import annotations

import json
import keyword
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.settings import suggestion
from search.config.schema import RESERVED

if TYPE_CHECKING:
    from evaluators.evaluator import Directions
    from workers.doctor import Finding
    from workers.recipe import Source

PREFERRED = ("acc_norm", "exact_match", "acc", "f1", "bits_per_byte", "word_perplexity", "chrf")
"""The metric that an objective gets if its task reports several."""
GROUPS = 4
"""Depth ranges of the space, if the models have as many layers."""


class BaseError(ValueError):
    """It is unknown which model the others were fine-tuned from."""


@dataclass(frozen=True)
class Draft:
    """A config that runs as it is, and the doctor's warnings about its models."""

    text: str
    base: str
    warnings: Sequence[Finding]


def draft_config(
    models: Sequence[str],
    tasks: Sequence[str],
    *,
    base: str | None = None,
    folder: Path | None = None,
    file: Path = Path("my-search.yaml"),
) -> Draft:
    """A commented config for a search over these models.

    Args:
        models: directories or hub ids, the base perhaps among them.
        tasks: names of tasks, one objective each.
        base: the model that the others were fine-tuned from; by default it is looked for.
        folder: of task files of the user's own.
        file: to be written: paths in it are relative to its folder.

    Raises:
        BaseError: if there is no base among the models and none is named in their cards.
        ValueError: if a model or task cannot be used, or models do not fit together.
    """
    from workers.doctor import examine  # imports torch
    from workers.recipe import Source

    sources = [Source.parse(each) for each in models]
    root = Source.parse(base) if base else _base_of(sources)
    named = _named([each for each in sources if str(each) != str(root)])
    if len(named) < 2:
        raise ValueError(
            f"a search needs two models beside the base {root}, not {len(named)}; name more"
        )
    objectives = {task: _metric(task, found) for task, found in _metrics(tasks, folder).items()}
    findings = examine(root, named)
    union = any("`tokenizer: union`" in str(each) for each in findings if each.level == "error")
    if union:
        from workers.recipe import TokenizerChoice

        findings = examine(root, named, tokenizer=TokenizerChoice.parse("union"))
    if errors := [str(each) for each in findings if each.level == "error"]:
        raise ValueError("these models cannot be merged:\n" + "\n".join(f"  {e}" for e in errors))
    text = _text(file, root, named, objectives, folder, union)
    return Draft(text, str(root), [each for each in findings if each.level == "warning"])


def _base_of(sources: Sequence[Source]) -> Source:
    """The model that the others name in their cards, or that their adapters were trained on."""
    from workers.checkpoint import bases_of, open_headers
    from workers.recipe import Source

    named = [name for each in sources for name in bases_of(open_headers(each))]
    by_name = {key: each for each in sources for key in (str(each), each.name, each.path)}
    for name in named:
        if name in by_name:
            return by_name[name]
        if Path(name).name in by_name:
            return by_name[Path(name).name]
    if named:
        return Source.parse(max(named, key=named.count))
    raise BaseError(
        "no card or config of these models says which model they were fine-tuned from; name it: "
        "--base MODEL"
    )


def _named(sources: Sequence[Source]) -> dict[str, Source]:
    """The models under short names that a config accepts, all different."""
    found: dict[str, Source] = {}
    for source in sources:
        short = re.sub(r"\W+", "-", source.name).strip("-") or "model"
        if not short[0].isalpha() or short in RESERVED or keyword.iskeyword(short):
            short = f"model-{short}"
        taken = {name.replace("-", "_") for name in found}  # a config's names differ in more
        numbered = (f"{short}-{i}" for i in count(2))
        free = (name for name in chain([short], numbered) if name.replace("-", "_") not in taken)
        found[next(free)] = source
    return found


def _metrics(tasks: Sequence[str], folder: Path | None) -> Mapping[str, Directions]:
    from evaluators.evaluator import make_evaluator  # imports lm_eval
    from evaluators.tasks import SuiteSettings

    if not tasks:
        raise ValueError("name the tasks to score on: --tasks TASK,TASK")
    known = make_evaluator(SuiteSettings(tasks=tuple(tasks), folder=folder)).metrics()
    return {task: known[task] for task in tasks if task in known}


def _metric(task: str, metrics: Directions) -> str:
    """The `{task, metric, ...}` of an objective."""
    keys = sorted(metrics, key=lambda key: _rank(key.partition(",")[0]))
    if not keys:
        raise ValueError(f"task {task} reports no metric; {suggestion(task, ())}")
    name, _, filter_ = keys[0].partition(",")
    several = sum(key.partition(",")[0] == name for key in metrics) > 1
    chosen = f", filter: {filter_}" if several else ""
    direction = ", direction: maximize" if metrics[keys[0]] is None else ""
    return f"{{task: {task}, metric: {name}{chosen}{direction}}}"


def _rank(metric: str) -> int:
    return PREFERRED.index(metric) if metric in PREFERRED else len(PREFERRED)


def _text(
    file: Path,
    base: Source,
    models: Mapping[str, Source],
    objectives: Mapping[str, str],
    folder: Path | None,
    union: bool,
) -> str:
    from workers.checkpoint import open_headers

    groups = min(GROUPS, open_headers(base).n_layers)
    lines = [
        "# Every key is explained in docs/config.md; `mergefront doctor` checks the file.",
        f"name: {file.stem}",
        f"base: {_quoted(base, file.parent)}",
        "models:",
        *(f"  {short}: {_quoted(source, file.parent)}" for short, source in models.items()),
        *(["tokenizer: union          # the models have different tokens"] if union else []),
        "methods: [linear, task_arithmetic, ties, dare_ties]",
        "space:",
        f"  depth: {{groups: {groups}}}     # separate weights for each range of layers",
        "  membership: true        # a recipe may leave models out",
        *([f"tasks: {_relative(str(folder), file.parent)}"] if folder else []),
        "objectives:",
        *(f"  {_key(task)}: {metric}" for task, metric in objectives.items()),
        "documents: {search: 0.6, selection: 0.2, report: 0.2}   # the search sees the first only",
        "budget: {trials: 200}     # also `hours`; the first limit reached ends the search",
        f"run: runs/{file.stem}",
        "seed: 0",
    ]
    return "\n".join(lines) + "\n"


def _key(task: str) -> str:
    """A task's name as that of an objective."""
    name = re.sub(r"\W+", "-", task).strip("-")
    return name if name[0].isalpha() else f"task-{name}"


def _quoted(source: Source, folder: Path) -> str:
    """A model as YAML text."""
    adapter = source.adapter and _relative(source.adapter, folder)
    text = str(replace(source, path=_relative(source.path, folder), adapter=adapter))
    return text if re.fullmatch(r"[\w./@~-]+( \+ [\w./@~-]+)?", text) else json.dumps(text)


def _relative(path: str, folder: Path) -> str:
    """A local path as it is written in a config of this folder; a hub id as it is."""
    return os.path.relpath(path, folder) if Path(path).exists() else path
