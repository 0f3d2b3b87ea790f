"""A user's own recipes as first trials: the same merges, of the run's models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from search.faults import FaultsError
from workers.recipe import Recipe, Source

if TYPE_CHECKING:
    from search.space import Space


def read_recipes(paths: Sequence[Path], space: Space) -> dict[str, Recipe]:
    """The recipes in these files, by the files' names.

    Raises:
        FaultsError: with every file that cannot be read, is no recipe, or has other models.
    """
    found: dict[str, Recipe] = {}
    faults: list[str] = []
    for i, path in enumerate(paths):
        try:
            if path.stem in found:
                raise ValueError(f"there are two recipes named {path.stem}")
            found[path.stem] = _of_run(Recipe.from_yaml(path.read_text(encoding="utf-8")), space)
        except (OSError, UnicodeDecodeError, ValueError) as error:
            faults.append(f"recipes.{i}: {path}: {error}")
    if faults:
        raise FaultsError(faults)
    return found


def _of_run(recipe: Recipe, space: Space) -> Recipe:
    """The recipe with its models read from where the run reads them."""
    models = {name: _known(name, source, space) for name, source in recipe.models.items()}
    return replace(recipe, models=models, base=space.base)


def _known(name: str, source: Source, space: Space) -> Source:
    """The run's model of that name, which must be the same one as far as the recipe says."""
    known = {**space.models, "base": space.base}
    if name not in known:
        raise ValueError(f"model {name!r} is none of the run's: {', '.join(space.models)}")
    given, ours = source.fingerprint, known[name].fingerprint
    if given is not None and ours is not None and given != ours:
        raise ValueError(f"model {name!r} has fingerprint {given}, the run's has {ours}")
    return known[name]
