"""What a person does with a run: create, search, inspect, compare, export; knows no terminal."""

from search.runs.dashboard import mirror_of, show_dashboard
from search.runs.each_trial import EachTrial, OnTrial
from search.runs.export import Exported, export
from search.runs.export_settings import ExportSettings
from search.runs.front import front_json, readable_verdicts
from search.runs.progress import RunProgress, progress_of, progress_of_driver
from search.runs.run import (
    begin_run,
    budget_of,
    config_of,
    create_run,
    open_run,
    raised_budget,
    reached_limit,
    results_of,
    resume_run,
)
from search.runs.scoring import ScoringError
from search.runs.search import MakePool, run_search
from search.runs.simplification import Simplification, simplify
from search.runs.status import Snapshot, snapshot_of, status_of
from search.runs.submit import submit, submit_command
from search.runs.transfer import transfer_trials
from search.runs.verdict import (
    RunVerdict,
    picked,
    recorded_verdict,
    recorded_verdicts,
    verdict_on_pick,
)
from search.runs.verdict_step import judge_pick
from search.runs.verification import Verification, refused_text, verified_text

__all__ = [
    "EachTrial",
    "ExportSettings",
    "Exported",
    "MakePool",
    "OnTrial",
    "RunProgress",
    "RunVerdict",
    "ScoringError",
    "Simplification",
    "Snapshot",
    "Verification",
    "begin_run",
    "budget_of",
    "config_of",
    "create_run",
    "export",
    "front_json",
    "judge_pick",
    "mirror_of",
    "open_run",
    "picked",
    "progress_of",
    "progress_of_driver",
    "raised_budget",
    "reached_limit",
    "readable_verdicts",
    "recorded_verdict",
    "recorded_verdicts",
    "refused_text",
    "results_of",
    "resume_run",
    "run_search",
    "show_dashboard",
    "simplify",
    "snapshot_of",
    "status_of",
    "submit",
    "submit_command",
    "transfer_trials",
    "verdict_on_pick",
    "verified_text",
]
