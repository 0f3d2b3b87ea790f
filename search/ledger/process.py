"""Which process of which machine this is; Linux tells, elsewhere every process counts as remote."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def machine_id() -> str:
    """This machine since its last start, and the namespace of its process ids (of a container).

    Where `/proc` does not exist the id is random, so that no two processes have the same.
    """
    if not Path("/proc/self/ns/pid").exists():
        return secrets.token_hex(8)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{os.uname().nodename} {boot} {Path('/proc/self/ns/pid').readlink()}"


def start_ticks(pid: int) -> int | None:
    """When a process of this machine started, in clock ticks; None if it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    is_zombie = fields[0] == "Z"
    return None if is_zombie else int(fields[19])
