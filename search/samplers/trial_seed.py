"""The random state of each trial, from (seed, trial number), so that a resumed search is exact."""

from __future__ import annotations

import hashlib


def trial_seed(seed: int, number: int) -> int:
    """64 bits for one trial of a run."""
    text = f"{seed}:{number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
