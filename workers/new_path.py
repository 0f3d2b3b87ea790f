"""Whether a path that a command makes is still free; imports nothing that takes time."""

from __future__ import annotations

from pathlib import Path


def check_absent(
    out: Path, *, force: bool, advice: str = "choose another directory or pass --force"
) -> None:
    """Checks that `out` may be made.

    Raises:
        ValueError: if it exists, without `force`.
    """
    if out.exists() and not force:
        raise ValueError(f"{out} exists already; {advice}")
