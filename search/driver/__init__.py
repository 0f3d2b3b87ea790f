"""The loop that proposes trials and records what workers report; knows no config file."""

from search.driver.baselines import Baseline, Baselines, baselines
from search.driver.budget import Budget, Patience, wall_hours, worker_hours
from search.driver.driver import LAST_WAIT, Driver
from search.driver.outcome import OutcomeReader
from search.driver.pace import seconds_left, spent_share, trials_per_second
from search.driver.signals import stopped_by_signals
from search.driver.stage_builder import StageBuilder, StageRules

__all__ = [
    "LAST_WAIT",
    "Baseline",
    "Baselines",
    "Budget",
    "Driver",
    "OutcomeReader",
    "Patience",
    "StageBuilder",
    "StageRules",
    "baselines",
    "seconds_left",
    "spent_share",
    "stopped_by_signals",
    "trials_per_second",
    "wall_hours",
    "worker_hours",
]
