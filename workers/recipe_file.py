"""Reads a file with a recipe, ours or mergekit's; what needs no model is said without torch."""

from __future__ import annotations

from pathlib import Path

import yaml

from workers.recipe import Recipe


def read_recipe(path: Path, *, seed: int = 0) -> Recipe:
    """Reads a recipe file, ours or mergekit's.

    Args:
        path: of the file.
        seed: of the masks of a mergekit recipe; ours have their own.

    Raises:
        ValueError: if it cannot be read or is not a recipe; every error of a mergekit file by line.
    """
    *steps, recipe = read_chain(path, seed=seed).values()
    if steps:
        raise ValueError(
            f"{path}: has several recipes (mergekit-multi); such a file can only be merged, with "
            "`mergefront merge`"
        )
    return recipe


def read_chain(path: Path, *, seed: int = 0) -> dict[str, Recipe]:
    """Reads a file with one recipe, or several of which the last merges the others' results.

    Args:
        path: of the file.
        seed: as for `read_recipe`.

    Raises:
        ValueError: as `read_recipe`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read: {error}") from None
    if _is_mergekit(text):
        from workers import mergekit  # imports torch

        return mergekit.read_chain(text, str(path), seed=seed)
    try:
        return {"": Recipe.from_yaml(text)}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _is_mergekit(text: str) -> bool:
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return "merge_method" in text
    return isinstance(content, dict) and not content.keys() & {"method", "base", "groups"}
