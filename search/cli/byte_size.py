"""Sizes in bytes as people write them."""

from __future__ import annotations

import re

UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def byte_size(text: str, option: str) -> int:
    """The bytes of a size with its unit.

    >>> byte_size("5GB", "--max-shard-size"), byte_size("1.5 kb", "--max-shard-size")
    (5000000000, 1500)

    Raises:
        ValueError: if it is none, or less than a byte.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]B)", text.strip().upper())
    size = int(float(found[1]) * UNITS[found[2]]) if found else 0
    if not size:
        raise ValueError(
            f"{option}: {text!r} is not a size; write a number and {', '.join(UNITS)}: 5GB"
        )
    return size
