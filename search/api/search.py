"""From a config to a finished run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search.api.run import Run
from search.api.session import run_session
from search.config import Plan, draft_config, make_plan
from search.runs import begin_run
from workers.new_path import check_absent, write_whole

if TYPE_CHECKING:
    from search.runs import MakePool, OnTrial

log = logging.getLogger(__name__)


def load_config(path: str | Path) -> Plan:
    """Reads and checks a config: its models can be merged, its tasks and metrics exist.

    Raises:
        ConfigError: with every error in it; `errors` has them one by one.
    """
    return make_plan(Path(path))


def init_config(
    models: Sequence[str],
    out: str | Path,
    *,
    tasks: Sequence[str],
    base: str | None = None,
    task_folder: str | Path | None = None,
    force: bool = False,
) -> Path:
    """Writes a first config, as `mergefront init` does; returns its path.

    Args:
        models: directories or hub ids, the base perhaps among them.
        out: the file to write.
        tasks: names of tasks, one objective each.
        base: the model that the others were fine-tuned from; by default it is looked for.
        task_folder: of task files of your own.
        force: replace the file if it exists; what the models lack is logged.

    Raises:
        ValueError: if the file exists without `force`, a model or task cannot be used, or models
            do not fit together.
    """
    file, folder = Path(out), Path(task_folder) if task_folder else None
    check_absent(file, force=force, advice="choose another file, or pass `force=True`")
    draft = draft_config(models, tasks, base=base, folder=folder, file=file)
    write_whole(file, draft.text.encode())
    for warning in draft.warnings:
        log.warning("%s", warning)
    return file


def run_search(
    config: str | Path,
    *,
    on_trial: OnTrial | None = None,
    resume: bool = True,
    address: str = "local",
    make_pool: MakePool | None = None,
) -> Run:
    """Runs the search that a config describes until its budget is spent; returns the run.

    If the config has `verdict:`, its pick is tested at the end.

    Args:
        config: the YAML file.
        on_trial: is called with each trial that finishes. What it raises ends the search, and no
            finished trial is lost.
        resume: continue the run if it exists already.
        address: of the Ray cluster; "local" starts one here.
        make_pool: something else than a pool of Ray actors.

    Raises:
        ConfigError: if the config is invalid.
        ValueError: if the run exists and `resume` is off, or its trials would not be comparable.
        RunBusyError: if another driver works on it.
        PoolError: if no worker can work any more.
        ScoringError: if a trial cannot be scored for the verdict.
    """
    plan, ledger, _ = begin_run(Path(config), resume=resume)
    run_session(
        plan, ledger, plan.config.budget, on_trial=on_trial, address=address, make_pool=make_pool
    )
    return Run(ledger)
