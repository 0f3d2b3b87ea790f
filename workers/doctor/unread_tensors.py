"""Names the tensors in a model's files that transformers does not load into the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from workers.checkpoint import Checkpoint, meta_model, read_json
from workers.doctor.finding import Finding


def unread_tensors(name: str, checkpoint: Checkpoint) -> Iterator[Finding]:
    """Warnings about ignored tensors and about stored heads of a tied model."""
    if checkpoint.ignored:
        first, *rest = checkpoint.ignored
        others = f" and {len(rest)} more" if rest else ""
        yield Finding(
            "warning",
            name,
            f"{checkpoint.ignored[first].file}: {first}{others}: transformers does not load this "
            f"into a {checkpoint.config.get('model_type')}, so it is not merged; the exported "
            "model has the base's, if any",
        )
    for tensor, other in checkpoint.copies.items():
        yield Finding(
            "warning",
            name,
            f"{checkpoint.tensors[other].file}: {tensor} is ignored, because config.json ties it "
            f"to {other}, and they are equal",
        )
    ties = _ties_of_file(checkpoint)
    if ties and not checkpoint.tied and not checkpoint.adapter:
        yield Finding(
            "warning",
            name,
            f"{checkpoint.path / 'config.json'}: tie_word_embeddings is True, but the files have "
            f"a {', '.join(ties)} with other values; it is used as a separate head, as "
            "transformers does",
        )


def _ties_of_file(checkpoint: Checkpoint) -> Mapping[str, str]:
    """What config.json ties, also if the checkpoint is opened as one that is not tied."""
    config = read_json(checkpoint.path / "config.json")
    return meta_model(replace(checkpoint, config=config)).ties
