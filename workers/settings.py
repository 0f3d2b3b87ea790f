"""Settings for how merges are computed; none of them changes the result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from evaluators.settings import Count, Settings

Mode = Literal["auto", "eager", "compiled"]
Statistics = Literal["kept", "asked"]
Placement = Literal["auto", "device", "pinned", "mapped"]


class MergeSettings(Settings):
    """Speed and memory placement; the defaults choose automatically."""

    mode: Mode = "auto"
    """`auto` is `compiled` if there is a compiler and the models are large enough to benefit."""
    threads: Annotated[int, Field(gt=0, le=4096)] | None = None
    """CPU threads of a pass; by default as many as torch uses."""
    chunk: Count = 1 << 16
    """Entries that an eager pass on a CPU processes at a time; they should fit into its cache."""
    placement: Placement = "auto"
    """Where the models are: on the device, pinned in host memory, or memory-mapped."""
    reserve: Annotated[int, Field(ge=0, lt=2**63)] = 4 << 30
    """Bytes of GPU memory that `auto` placement leaves free for scoring."""
    statistics: Statistics = "kept"
    """`kept` on disk for all candidates of a search, or computed when `asked` for by a merge."""
    cache: Path | None = None
    """Directory of kept statistics; by default mergefront's folder in the user's cache."""
