"""The commands that read the results of a run: status, front, verdict and report."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evaluators.steps import begin_step
from search.cli.errors import FAILED, fail, input_errors, write_errors
from search.cli.front_output import print_front
from search.cli.options import Address, Follow, Json, Run, Takeover, Where
from search.cli.output import console, note, say
from search.cli.remote import Server, front_from, print_status_of
from search.cli.session import session_errors

if TYPE_CHECKING:
    from search.ledger import Ledger
    from search.objectives import Objective
    from search.results import RunResults
    from search.runs import RunVerdict

FOLLOW_INTERVAL = 5.0  # seconds

Pick = Annotated[
    str, typer.Option(help="Which trial of the front: `knee`, `mean` or `best:OBJECTIVE`.")
]
Number = Annotated[int | None, typer.Option(help="Number of a trial, instead of --pick.")]


def status(run: Run, follow: Follow = False, as_json: Json = False, server: Server = None) -> None:
    """Show the progress of a search, its driver and its problems."""
    with input_errors():
        if server:
            return print_status_of(server, run, follow=follow, as_json=as_json)
        if follow:
            begin_step(f"reading {run}")
        from search.cli.tables import status_lines
        from search.ledger import Ledger
        from search.runs import status_of

        ledger = Ledger(run)
        if follow:
            return _follow(ledger, as_json)
        found = status_of(ledger)
        if as_json:
            print(json.dumps(found, indent=2))
        for line in () if as_json else status_lines(found):
            say(line)
    return None


def front(
    run: Run,
    where: Where = None,
    importance: Annotated[
        bool,
        typer.Option("--importance", help="Show the most important parameters per objective."),
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Show the hypervolume over the scored trials.")
    ] = False,
    objectives: Annotated[
        str | None,
        typer.Option(help="Show only these objectives, with commas between them."),
    ] = None,
    as_json: Json = False,
    server: Server = None,
) -> None:
    """Print the front, beside the base, the models and the uniform soup."""
    with input_errors():
        if as_json and objectives:
            raise ValueError("--objectives: --json has all of them; leave one of the two out")
        read = _front_of_service if server else _front_of_run
        results, verdicts, content = read(server or run, run, where, history)
        if where and not results.front:
            note("no trial of the front satisfies --where")
        shown = _chosen(results, objectives)
        shares = _importance(results) if importance else None
    if as_json:
        content |= {"importance": shares} if importance else {}
        print(json.dumps(content, indent=2))
        return
    from search.cli.tables import history_table, importance_table

    print_front(results, verdicts, shown)
    terminal = console()
    if shares:
        terminal.print(importance_table(shares))
    if history and results.scored:
        terminal.print(history_table(results))


def verdict(
    run: Run,
    pick: Pick = "knee",
    trial: Number = None,
    address: Address = "local",
    takeover: Takeover = False,
    as_json: Json = False,
) -> None:
    """Test a model of the front on documents that the search has not seen.

    The front is scored on the selection documents for the pick; the pick, the base, the models and
    the uniform soup are scored on the report documents, each once.
    """
    with input_errors():
        begin_step(f"reading {run}")
        from search.ledger import Ledger
        from search.runs import ScoringError, verdict_on_pick

        ledger = Ledger(run)
        again = f"Continue with: mergefront verdict {shlex.quote(run)}"
        with session_errors(run, again):
            try:
                found = verdict_on_pick(
                    ledger, pick, trial, address=address, takeover=takeover, say=begin_step
                )
            except ScoringError as error:
                fail(str(error), FAILED)
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
        return
    from search.cli.verdict_table import verdict_lines, verdict_table

    console().print(verdict_table(found))
    for line in verdict_lines(found):
        say(line)


def report(
    run: Run,
    out: Annotated[
        Path | None,
        typer.Argument(help="The HTML file to write; by default report.html in the run's folder."),
    ] = None,
    pick: Pick = "knee",
    trial: Number = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read the weights: where the models conflict.")
    ] = False,
) -> None:
    """Write the run as one HTML page that needs no other file and no network.

    The verdict is on it if `mergefront verdict` has been asked for the same pick.
    """
    with input_errors():
        begin_step(f"reading {run}")
        from search.report import make_report, write_report

        if out and out.exists() and out.suffix != ".html":
            raise ValueError(f"{out} exists and is no .html file; name another file for the report")
        file = out or default_report(run)
        found = make_report(run, pick, trial, deep=deep)
        with write_errors():
            write_report(found, file)
    say(f"{file} is ready")


def dashboard(
    run: Run,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8080,
) -> None:
    """Open optuna-dashboard on a run; it follows a search that goes on."""
    with input_errors():
        from search.runs import show_dashboard

        show_dashboard(run, host, port, say=note)


def _follow(ledger: Ledger, as_json: bool) -> None:
    """Shows the progress again and again, until no driver works on the run."""
    from search.cli.progress import ProgressDisplay
    from search.runs import progress_of, status_of

    if as_json:
        while True:
            found = status_of(ledger)
            print(json.dumps(found), flush=True)
            if found["state"] != "running":
                return
            time.sleep(FOLLOW_INTERVAL)
    display = ProgressDisplay(console(), ledger.root)
    with display.shown():
        while True:
            progress = progress_of(ledger)
            display.show(progress)
            if progress.state != "running":
                return
            time.sleep(FOLLOW_INTERVAL)


def default_report(run: str) -> Path:
    """The file of a report in a local run's folder.

    Raises:
        ValueError: if the run is in an object store.
    """
    if "://" in run:
        raise ValueError(f"{run} is no local folder; name the file to write: report {run} OUT.html")
    return Path(run) / "report.html"


Front = tuple["RunResults", "Sequence[RunVerdict]", dict[str, Any]]
"""Results, the verdicts on them, and both as `--json` prints them."""


def _front_of_service(server: str, name: str, where: str | None, history: bool) -> Front:
    results, content = front_from(server, name, where, history=history)
    return results.where(where) if where else results, (), content


def _front_of_run(root: str, _name: str, where: str | None, history: bool) -> Front:
    from search.ledger import Ledger
    from search.runs import front_json, readable_verdicts

    ledger = Ledger(root)
    results, verdicts = read_results(ledger, where), readable_verdicts(ledger, note)
    return results, verdicts, front_json(ledger, results, verdicts, history=history)


def read_results(ledger: Ledger, where: str | None) -> RunResults:
    """The results of a run, of which only some trials are on the front if there is a condition."""
    from search.runs import results_of

    results = results_of(ledger)
    return results.where(where) if where else results


def _chosen(results: RunResults, names: str | None) -> list[Objective] | None:
    """The objectives that are named, in this order; None stands for all."""
    from evaluators.settings import suggestion

    if names is None:
        return None
    known = {each.name: each for each in results.objectives}
    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in known:
            raise ValueError(f"--objectives: {name!r} is none; {suggestion(name, known)}")
    return [known[name] for name in wanted]


def _importance(results: RunResults) -> Mapping[str, Mapping[str, float]] | None:
    """The importance of the parameters; None, with a note, if there are too few trials."""
    from search.results import importance

    try:
        return importance(results)
    except ValueError as error:
        note(f"no importance yet: {error}")
        return None
