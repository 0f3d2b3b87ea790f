"""What a run optimises, and how points compare by it: dominance and hypervolume; knows no trial."""

from search.objectives.cover import covering
from search.objectives.front import (
    Losses,
    crowding,
    front,
    knee,
    normalised,
    ranks,
)
from search.objectives.hypervolume import EXACT, MARGIN, hypervolume, reference_point, volumes
from search.objectives.neighbours import neighbours
from search.objectives.objective import (
    Direction,
    Metric,
    Objective,
    ObjectiveSettings,
    TaskMetrics,
    Weight,
    losses,
    resolve,
)

__all__ = [
    "EXACT",
    "MARGIN",
    "Direction",
    "Losses",
    "Metric",
    "Objective",
    "ObjectiveSettings",
    "TaskMetrics",
    "Weight",
    "covering",
    "crowding",
    "front",
    "hypervolume",
    "knee",
    "losses",
    "neighbours",
    "normalised",
    "ranks",
    "reference_point",
    "resolve",
    "volumes",
]
