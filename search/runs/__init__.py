"""What a person does with a run: create, search, inspect, compare, export; knows no terminal."""

from search.runs.dashboard import mirror_of, show_dashboard
from search.runs.export import export
from search.runs.run import (
    config_of,
    create_run,
    open_run,
    raised_budget,
    reached_limit,
    results_of,
    resume_run,
)
from search.runs.scoring import ScoringError
from search.runs.search import run_search
from search.runs.status import Snapshot, snapshot_of, status_of
from search.runs.submit import submit, submit_command
from search.runs.transfer import transfer_trials
from search.runs.verdict import RunVerdict, recorded_verdict, verdict_on_pick

__all__ = [
    "RunVerdict",
    "ScoringError",
    "Snapshot",
    "config_of",
    "create_run",
    "export",
    "mirror_of",
    "open_run",
    "raised_budget",
    "reached_limit",
    "recorded_verdict",
    "results_of",
    "resume_run",
    "run_search",
    "show_dashboard",
    "snapshot_of",
    "status_of",
    "submit",
    "submit_command",
    "transfer_trials",
    "verdict_on_pick",
]
