"""Merges recipes one after another, where later ones merge the results of earlier ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from workers.checkpoint import temporary_directory
from workers.doctor import Finding
from workers.merge import MERGEKIT, RECIPE, merge
from workers.new_path import check_absent
from workers.recipe import Recipe, Source


def merge_chain(
    recipes: Mapping[str, Recipe], out: Path, text: str, *, force: bool = False
) -> list[Finding]:
    """Merges the recipes of a file; returns the doctor's warnings.

    The results of all but the last are written to a temporary directory next to `out`, each in its
    recipe's dtype, and removed at the end.

    Args:
        recipes: by name, each after those whose results it merges, as `read_chain` gives them.
        out: the directory to make of the last one; it appears complete or not at all.
        text: of the file; the directory contains it.
        force: replace `out` if it exists.

    Raises:
        ValueError, OSError: as `merge`.
    """
    check_absent(out, force=force)
    *steps, last = recipes
    files = {RECIPE: json.dumps(recipes[last].to_dict(), indent=2) + "\n", MERGEKIT: text}
    with temporary_directory(out) as folder:
        results = {name: folder / name for name in steps}
        warnings = [
            warning
            for name, result in results.items()
            for warning in merge(_located(recipes[name], results), result)
        ]
        located = _located(recipes[last], results)
        return [*warnings, *merge(located, out, files=files, force=force)]


def _located(recipe: Recipe, results: Mapping[str, Path]) -> Recipe:
    """The recipe with the directories of the results that it merges."""

    def located(source: Source) -> Source:
        return replace(source, path=str(results.get(source.path, source.path)))

    models = {name: located(source) for name, source in recipe.models.items()}
    return replace(recipe, models=models, base=located(recipe.base) if recipe.base else None)
