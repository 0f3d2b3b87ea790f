"""Random masks from a hash of seed, model, tensor and element.

The formula is in docs/merging.md. It has no state, so a mask does not depend on other masks,
chunks, threads or devices. Masks are nested: density 0.5 keeps every entry that density 0.3 keeps.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import torch
from torch import Tensor

_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B - (1 << 32)
"""Multipliers of the 32-bit hash function "lowbias32" (Wellons 2018), as signed numbers."""


class Key(NamedTuple):
    """Two 32-bit words, as signed numbers, that identify a mask."""

    before: int
    between: int


def key(seed: int, model: str, tensor: str) -> Key:
    """The key of the mask of one tensor of one model.

    It depends on the model's name, not its position, so other models do not change a mask.
    """
    text = f"{seed}\0{model}\0{tensor}".encode()
    digest = hashlib.blake2b(text, digest_size=8, person=b"mergefront mask").digest()
    return Key(*(int.from_bytes(digest[i : i + 4], "little", signed=True) for i in (0, 4)))


def limit(density: float) -> int:
    """The largest hash that is kept: 2³²·density of the 2³² hashes are."""
    return max(1, round(density * 2**32)) - 1 - 2**31


def wrapped(start: int) -> int:
    """An element's index as a signed 32-bit number."""
    return (start + 2**31) % 2**32 - 2**31


class MaskWords(NamedTuple):
    """The key and the limit of one mask, as 0-dimensional int32 tensors."""

    before: Tensor
    between: Tensor
    limit: Tensor


def kept(
    index: Tensor,
    words: MaskWords,
    hashed: Tensor | None,
    shifted: Tensor | None,
    out: Tensor | None,
) -> Tensor:
    """Whether each element is kept, from its index (int32); the rest are buffers or None.

    All arithmetic is int32, whose products wrap around; an arithmetic shift followed by a bit mask
    is a logical shift. 64-bit arithmetic doubled the time. The hash function's last step is left
    out: it changes only the lower half of the bits, which hardly affects the comparison.
    """
    x = torch.add(index, words.before, out=hashed)
    x = torch.bitwise_xor(x, _shift(x, 16, shifted), out=hashed)
    x = torch.bitwise_xor(torch.mul(x, _FIRST, out=hashed), words.between, out=hashed)
    x = torch.bitwise_xor(x, _shift(x, 15, shifted), out=hashed)
    return torch.le(torch.mul(x, _SECOND, out=hashed), words.limit, out=out)


def _shift(x: Tensor, bits: int, out: Tensor | None) -> Tensor:
    shifted = torch.bitwise_right_shift(x, bits, out=out)
    return torch.bitwise_and(shifted, (1 << (32 - bits)) - 1, out=out)
