"""Compares the tensors of two models: names, shapes and dtype."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from evaluators.wording import and_others, counted
from workers.checkpoint import Checkpoint, TensorInfo
from workers.doctor.finding import Finding
from workers.recipe import is_vocabulary, module_of


def compare_tensors(
    name: str, checkpoint: Checkpoint, other_name: str, other: Checkpoint
) -> Iterator[Finding]:
    """Findings about the differences of two models' tensors, except vocabulary rows."""
    yield from _towers(name, checkpoint, other_name, other)
    yield from _missing(name, checkpoint, other_name, other)
    yield from _shapes(name, checkpoint, other_name, other)
    if checkpoint.dtype != other.dtype:
        yield Finding(
            "warning",
            name,
            f"{checkpoint.path}: is {checkpoint.dtype}, {other_name} is {other.dtype}; merging is "
            f"done in float32 and rounded to {other.dtype}",
        )


def _towers(
    name: str, checkpoint: Checkpoint, other_name: str, other: Checkpoint
) -> Iterator[Finding]:
    if (
        bool(checkpoint.towers) != bool(other.towers)
        and _all(checkpoint).keys() == _all(other).keys()
    ):
        whole = other_name if checkpoint.towers else name
        yield Finding(
            "error",
            name,
            f"{checkpoint.path}: `merge: all` is set for {whole} alone; set it for every model",
        )


def _missing(
    name: str, checkpoint: Checkpoint, other_name: str, other: Checkpoint
) -> Iterator[Finding]:
    ours, theirs = _all(checkpoint).keys(), _all(other).keys()
    for who, absent in ((name, theirs - ours), (other_name, ours - theirs)):
        missing = sorted(_without_heads(absent) if checkpoint.tied != other.tied else absent)
        if missing:
            rest = and_others(len(missing) - 1)
            has = other_name if who == name else name
            yield Finding(
                "error",
                name,
                f"{checkpoint.path}: {who} has no tensor {missing[0]}{rest}, {has} has; "
                "merge models of one architecture and size",
            )


def _all(checkpoint: Checkpoint) -> dict[str, TensorInfo]:
    """Towers too: a language model is trained with its towers, and the merged model has base's."""
    return {**checkpoint.tensors, **checkpoint.towers}


def _shape(tensor: str, checkpoint: Checkpoint) -> tuple[int, ...]:
    """The shape without vocabulary rows."""
    shape = _all(checkpoint)[tensor].shape
    return shape[1:] if tensor in checkpoint.tensors and is_vocabulary(tensor) else shape


def _without_heads(names: AbstractSet[str]) -> set[str]:
    """The names without heads; a tied head is not stored."""
    return {name for name in names if module_of(name) != "head"}


def _shapes(
    name: str, checkpoint: Checkpoint, other_name: str, other: Checkpoint
) -> Iterator[Finding]:
    ours, theirs = _all(checkpoint), _all(other)
    differ = [
        key for key in ours if key in theirs and _shape(key, checkpoint) != _shape(key, other)
    ]
    if differ:
        key = differ[0]
        more = counted(len(differ) - 1, "other tensor")
        rest = f" (and {more} of another shape)" if len(differ) > 1 else ""
        yield Finding(
            "error",
            name,
            f"{ours[key].file}: {key} is {list(ours[key].shape)}, {other_name} has "
            f"{list(theirs[key].shape)}{rest}; merge models of one size",
        )
