"""The buffers of an eager pass, allocated once and reused for every chunk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Buffers(NamedTuple):
    """The intermediate results of a pass; all None if it is compiled."""

    base: Tensor | None = None
    value: Tensor | None = None
    term: Tensor | None = None
    total: Tensor | None = None
    share: Tensor | None = None
    kept: Tensor | None = None
    element: Tensor | None = None
    hashed: Tensor | None = None
    shifted: Tensor | None = None
    votes: Sequence[Tensor] | None = None
    """One per model."""

    @classmethod
    def of(cls, length: int, device: torch.device, n_models: int) -> Buffers:
        """Buffers for chunks of up to `length` elements of up to `n_models` models."""
        *single, _ = cls._fields
        words = ("element", "hashed", "shifted")
        dtypes = {name: torch.int32 if name in words else torch.float32 for name in single}
        votes = torch.empty(n_models, length, dtype=torch.float32, device=device).unbind()
        return cls(
            **{name: torch.empty(length, dtype=d, device=device) for name, d in dtypes.items()},
            votes=votes,
        )

    def first(self, length: int) -> Buffers:
        """Views for a shorter chunk."""
        *single, votes = self
        cut = {
            name: buffer[:length]
            for name, buffer in zip(self._fields, single, strict=False)
            if isinstance(buffer, Tensor)
        }
        return Buffers(**cut, votes=[vote[:length] for vote in votes or ()])
