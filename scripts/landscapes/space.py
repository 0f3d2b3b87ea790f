"""The space and the objectives of the measured landscape: merges of the demo's models."""

from __future__ import annotations

from pathlib import Path

from search.objectives import Direction
from search.space import Space, SpaceSettings
from workers.recipe import Source

DATA = Path(__file__).parent.parent / "data" / "landscape.npz"
MODELS = ("letters", "reverse", "sort")
METHODS = ("linear", "task_arithmetic", "ties", "dare_ties")
DEPTHS = 4
OBJECTIVES: dict[str, tuple[str, Direction]] = {  # task -> metric, direction
    "letters": ("bits_per_byte,none", "minimize"),
    "reverse": ("exact_match,none", "maximize"),
    "sort": ("acc,none", "maximize"),
}


def measured_space(folder: Path = Path()) -> Space:
    """The space of the measured landscape; the folder is only needed for merging."""
    models = {name: Source(str(folder / "models" / name)) for name in MODELS}
    settings = SpaceSettings.model_validate({"depth": {"groups": DEPTHS}})
    return Space(METHODS, models, Source(str(folder / "models" / "base")), DEPTHS, settings)
