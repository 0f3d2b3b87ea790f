"""A recipe as a Hugging Face directory, with the very bytes a worker scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workers.checkpoint import open_checkpoint, write_model
from workers.merging import Engine
from workers.recipe import Recipe

BASE = "base"


def merge(
    recipe: Recipe, out: Path, *, files: Mapping[str, str] | None = None, force: bool = False
) -> None:
    """Merges tensor by tensor into a new directory.

    Args:
        recipe: what to merge.
        out: the directory to make; it appears complete or not at all.
        files: further text files to put into it, by name.
        force: replace `out` if it exists.

    Raises:
        ValueError: if `out` exists without `force`, or a model is missing, damaged or has changed
            since the recipe was made.
    """
    sources = {**({BASE: recipe.base} if recipe.base else {}), **recipe.models}
    checkpoints = {name: open_checkpoint(source) for name, source in sources.items()}
    for name, source in sources.items():
        found = checkpoints[name].fingerprint
        if source.fingerprint and source.fingerprint != found:
            raise ValueError(
                f"{source.path}: its content has fingerprint {found}, "
                f"the recipe was made for {source.fingerprint}"
            )
    donor = checkpoints[recipe.tokenizer or next(iter(checkpoints))]
    engine = Engine(checkpoints)
    engine.prepare()
    write_model(
        out,
        engine.stream(recipe),
        like=donor,
        dtype=recipe.dtype or donor.dtype,
        files={"recipe.yaml": recipe.to_yaml(), **(files or {})},
        force=force,
    )
