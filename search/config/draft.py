"""A first config for models that somebody has: `mergefront init`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.steps import counted_steps
from search.config.draft_names import short_names
from search.config.draft_objectives import draft_objectives
from search.config.draft_text import DraftContent
from workers.model_path import check_paths

if TYPE_CHECKING:
    from workers.doctor import Finding
    from workers.recipe import Source

GROUPS = 4
"""Depth ranges of the space, if the models have as many layers."""


class BaseError(ValueError):
    """It is unknown which model the others were fine-tuned from."""


@dataclass(frozen=True)
class Draft:
    """A config to write, and what a user should know of its models and tasks."""

    text: str
    base: str
    warnings: Sequence[str]


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
        MissingModelsError: if directories do not exist.
        ValueError: if a model or task cannot be used, or models do not fit together.
    """
    from workers.recipe import Source

    sources = [Source.parse(each) for each in models]
    given = [*([Source.parse(base)] if base else []), *sources]
    check_paths(each.path for each in given)
    from workers.checkpoint import open_headers  # imports torch

    root = given[0] if base else base_of(sources)
    named = named_models([each for each in sources if str(each) != str(root)], root)
    content = DraftContent(
        file=file,
        base=root,
        models=named,
        objectives=draft_objectives(tasks, folder),
        space=(),
        task_folder=folder,
    )
    content, warnings = with_tokenizer(content)
    groups = min(GROUPS, open_headers(root).n_layers)
    depth = f"depth: {{groups: {groups}}}", "separate weights for each range of layers"
    membership = "membership: true", "a recipe may leave models out"
    return Draft(replace(content, space=[depth, membership]).text, str(root), warnings)


def base_of(sources: Sequence[Source]) -> Source:
    """The model that the others name in their cards, or that their adapters were trained on.

    Raises:
        BaseError: if none is named, or those that are named cannot be read.
    """
    from workers.checkpoint import bases_of, open_headers
    from workers.recipe import Source

    opened = [open_headers(each) for each in counted_steps("reading model", sources)]
    named = [name for each in opened for name in bases_of(each)]
    by_name = {key: each for each in sources for key in (str(each), each.name, each.path)}
    for name in named:
        if found := by_name.get(name) or by_name.get(Path(name).name):
            return found
    for name in sorted(dict.fromkeys(named), key=named.count, reverse=True):
        if _is_readable(name):
            return Source.parse(name)
    told = f"these models name {', '.join(dict.fromkeys(named))}, which cannot be read"
    unknown = "no card or config of these models says which model they were fine-tuned from"
    raise BaseError(f"{told if named else unknown}; name the base: --base MODEL")


def named_models(sources: Sequence[Source], base: Source) -> dict[str, Source]:
    """The models under short names that a config accepts.

    Raises:
        ValueError: if they are fewer than two.
    """
    if len(sources) < 2:
        raise ValueError(
            f"a search needs two models beside the base {base}, not {len(sources)}; name more"
        )
    return dict(zip(short_names([each.name for each in sources], "model"), sources, strict=True))


def with_tokenizer(content: DraftContent) -> tuple[DraftContent, list[str]]:
    """The content with a common vocabulary if the models need one; and the doctor's warnings.

    Raises:
        ValueError: if the models cannot be merged.
    """
    findings = _examined(content.base, content.models, content.tokenizer)
    if any("`tokenizer: union`" in str(each) for each in findings if each.level == "error"):
        content = replace(content, tokenizer="union")
        findings = _examined(content.base, content.models, content.tokenizer)
    if errors := [str(each) for each in findings if each.level == "error"]:
        raise ValueError("these models cannot be merged:\n" + "\n".join(f"  {e}" for e in errors))
    return content, [str(each) for each in findings if each.level == "warning"]


def _examined(base: Source, models: Mapping[str, Source], tokenizer: str | None) -> list[Finding]:
    from workers.doctor import examine
    from workers.recipe import TokenizerChoice

    choice = TokenizerChoice.parse(tokenizer) if tokenizer else None
    return examine(base, models, tokenizer=choice)


def _is_readable(name: str) -> bool:
    from workers.checkpoint import open_headers
    from workers.recipe import Source

    try:
        open_headers(Source.parse(name))
    except ValueError:
        return False
    return True
