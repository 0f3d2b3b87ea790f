"""Translates a config of mergekit-evolve: `mergefront init --from`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.config.draft import BaseError, Draft, base_of, named_models, with_tokenizer
from search.config.draft_text import DraftContent, Line, yaml_text
from search.config.evolve import EvolveConfig, Genome, read_evolve
from search.config.evolve_notes import EvolveNotes
from search.config.evolve_objectives import evolve_objectives
from search.config.evolve_space import WITH_BASE, space_lines

if TYPE_CHECKING:
    from workers.recipe import Source

TRIALS = 100  # mergekit-evolve's default of --max-fevals


def translate_evolve(
    path: Path,
    *,
    base: str | None = None,
    folder: Path | None = None,
    file: Path = Path("my-search.yaml"),
) -> Draft:
    """The config of ours that searches what a config of mergekit-evolve does.

    Args:
        path: of mergekit-evolve's config.
        base: the base model, where the file names none.
        folder: of task files, which mergekit-evolve has as --task-search-path.
        file: to be written: paths in it are relative to its folder.

    Raises:
        ValueError: if the file cannot be read, or its models cannot be merged. Tasks that cannot be
            used are warnings: `mergefront doctor` names them again.
    """
    evolve = read_evolve(path)
    notes = EvolveNotes()
    root, models = _models(evolve.genome, base, notes)
    objectives, weights = evolve_objectives(evolve.tasks, folder, notes)
    content = DraftContent(
        file=file,
        base=root,
        models=models,
        objectives=objectives,
        space=space_lines(evolve.genome, root, notes),
        task_folder=folder,
        tokenizer=_tokenizer(evolve.genome, models, root, notes),
        methods=[evolve.genome.merge_method],
        trials=TRIALS,
        extra=[*_prefer(weights), *_scoring(evolve)],
    )
    content, warnings = with_tokenizer(content)
    _note_rest(evolve, notes)
    head = [f"Translated from {path.name} of mergekit-evolve.", *_listed(notes.missing)]
    text = replace(content, notes=head).text
    return Draft(text, str(root), [*warnings, *notes.warnings, *notes.missing])


def _listed(missing: Sequence[str]) -> list[str]:
    if not missing:
        return []
    return ["Of that file, this has no counterpart here:", *(f"  {each}" for each in missing)]


def _models(
    genome: Genome, base: str | None, notes: EvolveNotes
) -> tuple[Source, dict[str, Source]]:
    """The base, and the models by name."""
    from workers.recipe import Source

    sources = list(dict.fromkeys(Source.parse(each) for each in genome.models))
    given = base or genome.base_model
    root = Source.parse(given) if given else _unnamed_base(genome, sources)
    if genome.merge_method in WITH_BASE and root in sources:
        sources.remove(root)
        notes.lacks(
            "genome.models",
            f"the base {root} is among them; its task vector is zero, so it is left out",
        )
    return root, named_models(sources, root)


def _unnamed_base(genome: Genome, sources: Sequence[Source]) -> Source:
    """The base where the file names none: only methods without task vectors allow that."""
    try:
        return base_of(sources)
    except BaseError:
        if genome.merge_method in WITH_BASE:
            raise
        return sources[0]


def _tokenizer(
    genome: Genome, models: Mapping[str, Source], root: Source, notes: EvolveNotes
) -> str | None:
    source = genome.tokenizer_source
    if source in (None, "base", "union"):
        return source
    by_path = {str(root): "base", **{str(each): name for name, each in models.items()}}
    if name := by_path.get(str(source).removeprefix("model:")):
        return name
    notes.lacks("genome.tokenizer_source", f"{source!r} is none of the models")
    return None


def _prefer(weights: Mapping[str, float]) -> Iterator[Line]:
    """One weighted sum is what mergekit-evolve optimises."""
    if len(weights) > 1:
        equal = len(set(weights.values())) == 1
        chosen = "mean" if equal else yaml_text(dict(weights))
        yield f"prefer: {chosen}", "one sum of all tasks; `front` would search a wide front"


def _scoring(evolve: EvolveConfig) -> Iterator[Line]:
    settings: dict[str, Any] = {}
    if evolve.num_fewshot is not None:
        settings["num_fewshot"] = evolve.num_fewshot
    if evolve.apply_chat_template:
        settings["apply_chat_template"] = True
    if settings:
        yield f"scoring: {yaml_text(settings)}", ""


def _note_rest(evolve: EvolveConfig, notes: EvolveNotes) -> None:
    if evolve.limit is not None:
        notes.lacks("limit", "every search document is scored; a smaller share has fewer of them")
    if evolve.fewshot_as_multiturn is False and evolve.apply_chat_template:
        notes.lacks("fewshot_as_multiturn", "with a chat template, examples are turns of the chat")
    if evolve.shuffle:
        notes.lacks("shuffle", "the split of documents follows from their content")
    if evolve.random_init:
        notes.lacks("random_init", "a search starts with the models, their mean and known recipes")
    for key in evolve.unknown_keys():
        notes.lacks(key, "mergekit-evolve's documentation does not have this key either")
