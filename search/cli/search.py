"""The commands that run a search: search, resume and demo."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evaluators.steps import begin_step
from evaluators.wording import counted
from search.cli.errors import FAILED, fail, input_errors
from search.cli.front_output import print_result
from search.cli.next_steps import say_next_steps
from search.cli.options import Address, ConfigPath, Json, Logs, Run, Takeover
from search.cli.output import console, note
from search.cli.remote import Server, resume_on
from search.cli.session import is_over, run_session
from search.cli.verdict_step import judge_pick

if TYPE_CHECKING:
    from search.config import Plan
    from search.driver import Budget
    from search.ledger import Ledger


def search(
    config: ConfigPath,
    address: Address = "local",
    earlier: Annotated[
        str | None,
        typer.Option("--from", help="Start with the trials of this run.", metavar="RUN"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run if it exists already.")
    ] = False,
    takeover: Takeover = False,
    log_format: Logs = "text",
    as_json: Json = False,
) -> None:
    """Run the search that CONFIG describes and print its front."""
    with input_errors(log_format):
        begin_step(f"checking {config}")
        from search.ledger import Ledger
        from search.runs import begin_run

        old = Ledger(earlier) if earlier else None
        plan, ledger, changes = begin_run(config, resume=resume)
        if changes is not None:
            _print_changes(changes)
        elif old:
            _transfer(plan, old, ledger)
    for finding in plan.warnings:
        note(f"warning: {finding}")
    if not is_over(ledger, plan.config.budget, log_format):
        run_session(plan, ledger, plan.config.budget, address, takeover, log_format)
    judge_pick(ledger, plan.config.verdict, address, takeover, log_format)
    print_result(ledger, as_json)
    say_next_steps(ledger, log_format)


def resume(
    run: Run,
    trials: Annotated[int | None, typer.Option(min=1, help="New budget of trials.")] = None,
    hours: Annotated[
        float | None,
        typer.Option(min=0, help="New budget of wall hours, including earlier sessions."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Use this config instead; only keys that change no trial may differ."),
    ] = None,
    address: Address = "local",
    takeover: Takeover = False,
    log_format: Logs = "text",
    as_json: Json = False,
    server: Server = None,
) -> None:
    """Continue a search that was stopped or has failed."""
    with input_errors(log_format):
        if server:
            if config:
                raise ValueError("--config: a search of a service keeps its config")
            return resume_on(server, run, trials=trials, hours=hours)
        begin_step(f"reading {run}")
        from search.ledger import Ledger
        from search.runs import budget_of, config_of, reached_limit, resume_run

        plan, ledger = None, Ledger(run)
        budget, pick = budget_of(ledger), config_of(ledger).get("verdict")
        if config or not reached_limit(ledger, _raised(budget, trials=trials, hours=hours)):
            plan, ledger, changes = resume_run(run, config)
            _print_changes(changes)
            budget, pick = plan.config.budget, plan.config.verdict
        budget = _raised(budget, trials=trials, hours=hours)
    if not is_over(ledger, budget, log_format) and plan:
        run_session(plan, ledger, budget, address, takeover, log_format)
    judge_pick(ledger, pick, address, takeover, log_format)
    print_result(ledger, as_json)
    return say_next_steps(ledger, log_format)


def demo(
    folder: Annotated[
        Path, typer.Argument(help="The folder for the models, the tasks and the run.")
    ] = Path("demo"),
) -> None:
    """Make small real models, search their merges, export the best and score it again."""
    with input_errors():
        begin_step("loading torch and transformers")
        from search.cli.demo import DemoError, run_demo

        try:
            run_demo(folder, console())
        except DemoError as error:
            fail(str(error), FAILED)


def _raised(budget: Budget, **limits: float | None) -> Budget:
    """The budget with new limits, where they are given."""
    from evaluators.settings import SettingsError
    from search.runs import raised_budget

    try:
        return raised_budget(budget, limits)
    except SettingsError as error:
        raise ValueError("\n".join(f"--{each}" for each in error.errors)) from None


def _print_changes(changes: Sequence[str]) -> None:
    for change in changes:
        note(f"note: {change}")


def _transfer(plan: Plan, old: Ledger, new: Ledger) -> None:
    from search.runs import transfer_trials

    copied = transfer_trials(plan, old, new)
    which = "with their scores" if copied.scored else "from its front, to be scored again"
    verb = "is" if copied.trials == 1 else "are"
    note(f"{counted(copied.trials, 'trial')} of {old.root} {verb} copied {which}")
    if copied.outside:
        note(f"{counted(copied.outside, 'trial')} of its front left out: outside the new space")
