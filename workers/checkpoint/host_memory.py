"""How much memory this machine has left."""

from __future__ import annotations

from pathlib import Path

from rich.filesize import decimal

from workers.checkpoint.checkpoint import Checkpoint


def available_memory() -> int:
    """Bytes of host memory that can be allocated, including the page cache."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    return 1024 * int(text.partition("MemAvailable:")[2].split()[0])


def check_memory(checkpoint: Checkpoint) -> None:
    """Whether a live model fits into the host's memory; the kernel would kill a process later.

    Raises:
        ValueError: if it does not.
    """
    needed = sum(
        info.nbytes for info in (*checkpoint.tensors.values(), *checkpoint.towers.values())
    )
    if needed > (available := available_memory()):
        rows = checkpoint.vocabulary_rows
        raise ValueError(
            f"{checkpoint.path}: the live model, with {rows} vocabulary rows, needs "
            f"{decimal(needed)} of memory, and this machine has {decimal(available)} left; use a "
            "larger machine, fewer workers (`workers: {max: 1}`), or a smaller vocabulary"
        )
