"""Names the tensors in a model's files that transformers does not load into the model."""

from __future__ import annotations

from collections.abc import Iterator

from workers.checkpoint import Checkpoint, MetaModel
from workers.doctor.finding import Finding


def unread_tensors(name: str, checkpoint: Checkpoint, expected: MetaModel) -> Iterator[Finding]:
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
    if expected.ties and not checkpoint.tied:
        yield Finding(
            "warning",
            name,
            f"{checkpoint.path / 'config.json'}: tie_word_embeddings is True, but the files have "
            f"a {', '.join(expected.ties)} with other values; it is used as a separate head, as "
            "transformers does",
        )
