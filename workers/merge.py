"""A recipe as a Hugging Face directory, with the very bytes a worker scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workers.checkpoint import Checkpoint, open_checkpoint, write_model
from workers.merging import Engine
from workers.recipe import Recipe, Source


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
    base = _open(recipe.base) if recipe.base else None
    models = {name: _open(source) for name, source in recipe.models.items()}
    if recipe.tokenizer in models:
        donor = models[recipe.tokenizer]
    else:
        donor = base or next(iter(models.values()))
    engine = Engine(models, base=base)
    engine.prepare()
    write_model(
        out,
        engine.stream(recipe),
        like=donor,
        dtype=recipe.dtype or donor.dtype,
        files={"recipe.yaml": recipe.to_yaml(), **(files or {})},
        force=force,
    )


def _open(source: Source) -> Checkpoint:
    checkpoint = open_checkpoint(source)
    if source.fingerprint not in (None, checkpoint.fingerprint):
        raise ValueError(
            f"{source.path}: its content has fingerprint {checkpoint.fingerprint}, "
            f"the recipe was made for {source.fingerprint}"
        )
    return checkpoint
