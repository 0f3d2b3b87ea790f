"""Sorts out the tensors in a model's files that are not merged."""

from __future__ import annotations

from dataclasses import replace

from workers.checkpoint.checkpoint import Checkpoint, read_tensor
from workers.checkpoint.live import MetaModel, meta_model
from workers.checkpoint.parts import language_config, with_language_config


def without_unmerged(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint without towers, tensors that its architecture drops, and copies of tied ones.

    A stored head that differs from the embedding that the config ties it to is a separate head,
    as it is for transformers.
    """
    try:
        meta = meta_model(checkpoint)
    except ValueError:  # the doctor says why
        return checkpoint
    ignored = {
        n: info for n, info in checkpoint.tensors.items() if meta.file_names.ignores(n, info)
    }
    towers = {
        n: info
        for n, info in checkpoint.tensors.items()
        if meta.file_names.live_name(n) in meta.towers
    }
    copies, separate = _stored_ties(checkpoint, meta)
    config = {**checkpoint.config, **({"tie_word_embeddings": False} if separate else {})}
    if meta.towers and "num_hidden_layers" not in language_config(config):  # left out by default
        config = with_language_config(config, {"num_hidden_layers": meta.n_layers})
    unmerged = {*ignored, *towers, *copies}
    return replace(
        checkpoint,
        tensors={n: info for n, info in checkpoint.tensors.items() if n not in unmerged},
        config=config,
        ignored=ignored,
        towers=towers,
        copies=copies,
    )


def _stored_ties(checkpoint: Checkpoint, meta: MetaModel) -> tuple[dict[str, str], list[str]]:
    """Tied tensors that are stored too: those equal to the other, by its name, and the others."""
    if not meta.ties:
        return {}, []
    stored = {meta.file_names.live_name(name): name for name in checkpoint.tensors}
    both = {
        stored[tied]: stored[other]
        for tied, other in meta.ties.items()
        if tied in stored and other in stored
    }
    copies = {tied: other for tied, other in both.items() if _equal(checkpoint, tied, other)}
    return copies, [tied for tied in both if tied not in copies]


def _equal(checkpoint: Checkpoint, name: str, other: str) -> bool:
    """Whether two tensors are equal; assumed of a hub model of which only headers are here."""
    import torch  # noqa: PLC0415 - needed only here

    infos = checkpoint.tensors[name], checkpoint.tensors[other]
    if (infos[0].dtype, infos[0].shape) != (infos[1].dtype, infos[1].shape):
        return False
    if not all(info.file.is_file() for info in infos):
        return True
    return torch.equal(read_tensor(infos[0].file, name), read_tensor(infos[1].file, other))
