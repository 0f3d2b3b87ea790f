"""A user's own recipes as first trials: the same merges, of the run's models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.settings import SettingsError
from workers.merge import read_recipe
from workers.recipe import Group, Recipe, Source

if TYPE_CHECKING:
    from search.space import Space


def read_recipes(paths: Sequence[Path], space: Space) -> dict[str, Recipe]:
    """The recipes in these files, by the files' names.

    Raises:
        SettingsError: with every file that cannot be read, is no recipe, or has other models.
    """
    found: dict[str, Recipe] = {}
    faults: list[str] = []
    for i, path in enumerate(paths):
        try:
            if path.stem in found:
                raise ValueError(f"there are two recipes named {path.stem}")
            found[path.stem] = _of_run(read_recipe(path, seed=space.seed), space)
        except ValueError as error:
            faults.append(f"recipes.{i}: {error}")
    if faults:
        raise SettingsError(faults)
    return found


def _of_run(recipe: Recipe, space: Space) -> Recipe:
    """The recipe with the run's own models, by the run's names."""
    if recipe.base is not None:
        _known("base", recipe.base, {"base": space.base})
    known = {**space.models, "base": space.base}
    names = {name: _known(name, source, known) for name, source in recipe.models.items()}
    return replace(
        recipe,
        models={ours: known[ours] for ours in names.values()},
        groups=tuple(_renamed(group, names) for group in recipe.groups),
        base=space.base,
        tokenizer=names.get(recipe.tokenizer or "", recipe.tokenizer),
    )


def _known(name: str, source: Source, known: Mapping[str, Source]) -> str:
    """The run's name of a model: the same content, the same path, or at least the same name."""
    for ours, other in known.items():
        if source.fingerprint is not None and source.fingerprint == other.fingerprint:
            return ours
    for ours, other in known.items():
        if _place(source) == _place(other):
            if source.fingerprint and other.fingerprint:  # and they are not equal
                raise ValueError(
                    f"its model {name!r} ({source.path}) has fingerprint {source.fingerprint}, "
                    f"and what is there now {other.fingerprint}"
                )
            return ours
    if name not in known or source.fingerprint is not None:
        raise ValueError(f"its model {name!r} ({source.path}) is none of the run's: {list(known)}")
    return name


def _place(source: Source) -> tuple[str | None, ...]:
    return source.path, source.revision, source.adapter


def _renamed(group: Group, names: Mapping[str, str]) -> Group:
    parameters = {
        parameter: {names[model]: number for model, number in value.items()}
        if isinstance(value, Mapping)
        else value
        for parameter, value in group.parameters.items()
    }
    return replace(group, parameters=parameters)
