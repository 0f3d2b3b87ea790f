"""Scoring in stages: a candidate that the front has clearly beaten is not scored any further."""

from evaluators.stages.comparison import Aggregate, Difference, difference
from evaluators.stages.criterion import (
    AGGREGATED,
    Address,
    Criterion,
    Reference,
    StagedMetric,
    Values,
)
from evaluators.stages.order import stratified_order
from evaluators.stages.race import Stop, race
from evaluators.stages.settings import StageSettings
from evaluators.stages.stages import Stages

__all__ = [
    "AGGREGATED",
    "Address",
    "Aggregate",
    "Criterion",
    "Difference",
    "Reference",
    "StageSettings",
    "StagedMetric",
    "Stages",
    "Stop",
    "Values",
    "difference",
    "race",
    "stratified_order",
]
