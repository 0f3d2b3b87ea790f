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
from evaluators.stages.fit import (
    Order,
    constant_criteria,
    document_order,
    fitted,
    reference,
)
from evaluators.stages.order import stratified_order
from evaluators.stages.race import Stop, race
from evaluators.stages.scoring import StagedScoring
from evaluators.stages.settings import StageSettings
from evaluators.stages.stages import Stages
from evaluators.stages.tasks import StagedTasks

__all__ = [
    "AGGREGATED",
    "Address",
    "Aggregate",
    "Criterion",
    "Difference",
    "Order",
    "Reference",
    "StageSettings",
    "StagedMetric",
    "StagedScoring",
    "StagedTasks",
    "Stages",
    "Stop",
    "Values",
    "constant_criteria",
    "difference",
    "document_order",
    "fitted",
    "race",
    "reference",
    "stratified_order",
]
