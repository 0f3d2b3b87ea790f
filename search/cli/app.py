"""The commands. Imports come late, so that --help is instant."""

from __future__ import annotations

import json
import logging
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from search.config import Plan
    from search.config.diagnosis import Diagnosis
    from search.driver import Budget
    from search.ledger import Ledger

DONE, FAILED, WRONG_INPUT, STOPPED = 0, 1, 2, 3
FOLLOW_EVERY = 5.0  # seconds

app = typer.Typer(
    name="mergefront",
    help="Searches for the best ways to merge fine-tuned language models.",
    epilog="Exit status: 0 done, 1 failed, 2 wrong input, 3 stopped early and can be resumed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)

Run = Annotated[
    str, typer.Argument(help="The run's folder, or its URI: s3://bucket/run.", show_default=False)
]
ConfigFile = Annotated[Path, typer.Argument(help="The search's YAML file.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Address = Annotated[
    str, typer.Option(help="Ray cluster; `local` starts one on this machine.", metavar="ADDRESS")
]
Where = Annotated[
    str | None,
    typer.Option(
        help="Only trials that fulfil this: `maths > base.maths and law >= 0.9 * law-model.law`.",
        show_default=False,
    ),
]
Takeover = Annotated[
    bool, typer.Option("--takeover", help="Break the hold of a driver that is surely gone.")
]
LogFormat = Annotated[
    Literal["text", "json"], typer.Option(help="Of what goes to standard error.", metavar="FORMAT")
]
Dashboard = Annotated[
    str,
    typer.Option(help="The cluster's dashboard.", metavar="URL", envvar="RAY_API_SERVER_ADDRESS"),
]
JobName = Annotated[str, typer.Argument(help="The job: the last part of its run's place.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on until it is over.")]
HERE = "http://127.0.0.1:8265"
Force = Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")]


@app.command(epilog="Example: mergefront doctor configs/demo.yaml")
def doctor(
    what: Annotated[
        list[str],
        typer.Argument(help="A search's YAML file, or models, the base first.", metavar="CONFIG"),
    ],
    deep: Annotated[
        bool, typer.Option("--deep", help="Read the weights: which models clash, and where.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option(help="Write what --deep finds as an HTML page.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what would fail or surprise in a search of CONFIG, or in merging models."""
    with _errors():
        from search.config import ConfigError
        from search.config.diagnosis import diagnose
        from search.config.diagnosis import picture as draw

        try:
            found = diagnose(what, deep=deep or picture is not None)
        except ConfigError as error:
            if as_json:
                print(json.dumps({"version": 1, "errors": error.faults, "warnings": []}, indent=2))
                raise typer.Exit(WRONG_INPUT) from None
            raise
    if picture and found.deep:
        with _disk():
            draw(found.deep, picture)
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        _say_diagnosis(found, what)
    if found.errors:
        raise typer.Exit(WRONG_INPUT)


@app.command(epilog="Example: mergefront search configs/demo.yaml")
def search(
    config: ConfigFile,
    address: Address = "local",
    earlier: Annotated[
        str | None,
        typer.Option("--from", help="Begin with the trials of this run.", metavar="RUN"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run if it is there already.")
    ] = False,
    takeover: Takeover = False,
    log_format: LogFormat = "text",
) -> None:
    """Run the search that CONFIG describes and print its front."""
    with _errors(log_format):
        from search.config import plan
        from search.ledger import Ledger
        from search.runs import create_run, resume_run

        prepared = plan(config)
        if resume and Ledger.is_at(prepared.config.run):
            prepared, ledger, changed = resume_run(prepared.config.run, config)
            _say_changed(changed)
        else:
            old = Ledger(earlier) if earlier else None
            ledger = create_run(prepared)
            if old:
                _take_over(prepared, old, ledger)
    _say_warnings(prepared)
    _run(prepared, ledger, prepared.config.budget, address, takeover, log_format)


@app.command(epilog="Example: mergefront resume runs/demo --trials 300")
def resume(
    run: Run,
    trials: Annotated[int | None, typer.Option(min=1, help="New budget of trials.")] = None,
    hours: Annotated[
        float | None,
        typer.Option(min=0, help="New budget of wall hours, earlier sessions counted in."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="A config to go on with; only what changes no trial may differ."),
    ] = None,
    address: Address = "local",
    takeover: Takeover = False,
    log_format: LogFormat = "text",
) -> None:
    """Go on with a search where it stopped, whatever stopped it."""
    with _errors(log_format):
        from search.runs import resume_run

        prepared, ledger, changed = resume_run(run, config)
        _say_changed(changed)
        planned = prepared.config.budget
        raised = {"trials": trials, "hours": hours}
        budget = planned.model_copy(update={k: v for k, v in raised.items() if v is not None})
    _run(prepared, ledger, budget, address, takeover, log_format)


@app.command(epilog="Example: mergefront status runs/demo --json")
def status(run: Run, follow: Follow = False, as_json: AsJson = False) -> None:
    """Say how far a search is, who runs it, and what is wrong."""
    with _errors():
        from search.cli.tables import status_lines
        from search.ledger import Ledger
        from search.runs import status_of

        ledger, console = Ledger(run), _console()
        while True:
            found = status_of(ledger)
            if as_json:
                print(json.dumps(found, indent=None if follow else 2), flush=True)
            for line in () if as_json else status_lines(found):
                console.print(line, highlight=False)
            if not follow or found["state"] != "running":
                return
            time.sleep(FOLLOW_EVERY)


@app.command(epilog="Example: mergefront submit configs/demo.yaml --address http://head:8265")
def submit(
    config: ConfigFile,
    address: Dashboard = HERE,
    follow: Follow = False,
    log_format: LogFormat = "text",
) -> None:
    """Run the search as a job of a Ray cluster; a run that is there already goes on."""
    with _errors():
        from search.runs import submit as send

        name = send(config, address, log_format=log_format)
    print(f"job {name} is submitted; mergefront logs {name} --follow --address {address}")
    if follow:
        logs(name, address, follow=True)


@app.command(epilog="Example: mergefront jobs --address http://head:8265")
def jobs(address: Dashboard = HERE) -> None:
    """List the searches of a Ray cluster."""
    with _errors():
        from workers.pool.jobs import Jobs

        found = Jobs(address).jobs()
    for job in found:
        print(f"{job.name}  {job.status}  {job.run}")


@app.command(epilog="Example: mergefront logs demo --follow --address http://head:8265")
def logs(name: JobName, address: Dashboard = HERE, follow: Follow = False) -> None:
    """Print what a submitted search says; with --follow, exit as it does."""
    with _errors():
        from workers.pool.jobs import Jobs

        cluster = Jobs(address)
        for text in cluster.follow(name) if follow else [cluster.logs(name)]:
            print(text, end="", flush=True)
        job = cluster.job(name)
    if follow and job.status != "SUCCEEDED":
        stopped = STOPPED if job.status == "STOPPED" else FAILED
        _fail(f"job {name} is {job.status}: {job.message}", job.exit_code or stopped)


@app.command(epilog="Example: mergefront stop demo --address http://head:8265")
def stop(name: JobName, address: Dashboard = HERE) -> None:
    """Stop a submitted search; submitting it again goes on with it."""
    with _errors():
        from workers.pool.jobs import Jobs

        job = Jobs(address).stop(name)
    print(f"job {name} is {job.status}; mergefront submit CONFIG goes on with it")


@app.command(epilog="Example: mergefront front runs/demo --where 'general >= 0.98 * base.general'")
def front(
    run: Run,
    where: Where = None,
    importance: Annotated[
        bool, typer.Option("--importance", help="Which parameters mattered, per objective.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="The hypervolume over the scored trials.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the front, beside the base, the models and the uniform soup."""
    with _errors():
        from search.ledger import Ledger
        from search.results import importance as of
        from search.runs import results_of

        ledger = Ledger(run)
        found = results_of(ledger)
        found = found.where(where) if where else found
        if where and not found.front:
            print("no trial of the front fulfils --where", file=sys.stderr)
        try:
            mattered = of(found) if importance else None
        except ValueError as error:  # too few trials so far, which is no reason to show nothing
            mattered = None
            print(f"no importance yet: {error}", file=sys.stderr)
    if as_json:
        content = found.to_json(ledger.header["name"])
        content |= {"importance": mattered} if importance else {}
        content |= {"history": found.history_json()} if history else {}
        print(json.dumps(content, indent=2))
        return
    from search.cli.tables import front_table, history_table, importance_table

    console = _console()
    console.print(front_table(found))
    if mattered:
        console.print(importance_table(mattered))
    if history and found.scored:
        console.print(history_table(found))


@app.command(epilog="Example: mergefront export runs/demo merged --pick knee")
def export(
    run: Run,
    out: Annotated[Path, typer.Argument(help="The model directory to make.")],
    pick: Annotated[
        str, typer.Option(help="Which of the front: `knee` or `best:OBJECTIVE`.")
    ] = "knee",
    trial: Annotated[int | None, typer.Option(help="This trial instead.")] = None,
    where: Where = None,
    force: Force = False,
) -> None:
    """Write a model of the front as an ordinary Hugging Face directory."""
    with _errors():
        from search.runs import export as write
        from search.runs import open_run, results_of

        prepared, ledger = open_run(run)
        found = results_of(ledger)
        found = found.where(where) if where else found
        chosen = found.trial(trial) if trial is not None else found.pick(pick)
        with _disk():
            written = write(prepared, chosen, out, beside=found.baselines, force=force)
    console = _console()
    scores = "  ".join(f"{name} {value:.4f}" for name, value in chosen.scores.items())
    console.print(f"trial {chosen.number} ({scores}) is now {written.path}", highlight=False)
    console.print("Score it again on the same documents:", highlight=False)
    console.print(f"  {written.command}", highlight=False, soft_wrap=True)
    if written.random_fewshot:
        console.print(
            f"  (it draws other few-shot examples for {', '.join(written.random_fewshot)}, "
            "whose scores will differ)",
            highlight=False,
        )


@app.command(epilog="Example: mergefront merge recipe.yaml merged")
def merge(
    recipe: Annotated[Path, typer.Argument(help="A recipe file, ours or mergekit's.")],
    out: Annotated[
        Path | None, typer.Argument(help="The model directory to make.", show_default=False)
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what each group of tensors gets.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the masks of a mergekit recipe.")] = 0,
    force: Force = False,
) -> None:
    """Make one merged model from a recipe file; or with --explain only say what it would do."""
    with _errors():
        from workers.merge import merge as write
        from workers.merge import read_recipe

        if (out is None) is not explain:
            raise ValueError(
                "give the directory to make as OUT, or --explain to make none, not both"
            )
        wanted = read_recipe(recipe, seed=seed)
        if explain:
            from search.cli.recipe_table import recipe_table
            from workers.merge import explain as explained

            _console().print(recipe_table(wanted, explained(wanted)))
        if out is None:
            return
        with _disk():
            warnings = write(wanted, out, force=force)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    _console().print(f"{out} is ready", highlight=False)


@app.command(epilog="Example: mergefront demo /tmp/demo")
def demo(
    folder: Annotated[Path, typer.Argument(help="Where models, tasks and run go.")] = Path("demo"),
) -> None:
    """Make small real models, search their merges, export the best and score it again."""
    with _errors():
        from search.cli.demo import DemoError, run_demo

        try:
            run_demo(folder, _console(), search=_run)
        except DemoError as error:
            _fail(str(error), FAILED)


def main() -> None:
    """Runs the command line."""
    app()


def _run(
    prepared: Plan,
    ledger: Ledger,
    budget: Budget,
    address: str = "local",
    takeover: bool = False,
    log_format: str = "text",
) -> None:
    """Searches with progress shown; prints the front, or how to go on, and exits accordingly."""
    from search.cli.progress import Progress
    from search.ledger import RunBusyError
    from search.results import ConstantError
    from search.runs import reached_limit, run_search
    from workers.pool import AddressError, PoolError, SetupError

    say: Callable[[str], None]
    console = _console(stderr=True)
    how = f"mergefront resume {shlex.quote(ledger.root)}"
    if log_format == "text":
        say = partial(console.print, highlight=False, soft_wrap=True)
        say(f"run {ledger.root}")
    else:
        console, say = _console(quiet=True), logging.getLogger(__name__).info
    if why := reached_limit(ledger, budget):  # nothing is started
        say(f"nothing to do: {why}; a greater budget goes on")
        _print_front(ledger)
        return
    try:
        with Progress(console).shown() as watch:
            driver = run_search(
                prepared, ledger, budget, address=address, takeover=takeover, watch=watch
            )
    except (RunBusyError, AddressError) as error:
        _fail(str(error), WRONG_INPUT)
    except SetupError as error:
        _fail(f"{error}\nWhen that is mended, go on with: {how}", WRONG_INPUT)
    except PoolError as error:
        _fail(f"{error}\nEvery finished trial is kept. Go on with: {how}", STOPPED)
    except ConstantError as error:
        _fail(f"{error}\nEvery finished trial is kept. Go on all the same with: {how}", STOPPED)
    except OSError as error:
        _fail(f"{ledger.root}: {error}\nWhat is written is whole. Go on with: {how}", STOPPED)
    except KeyboardInterrupt:
        _fail(f"left at once; every finished trial is kept. Go on with: {how}", STOPPED)
    if not driver.finished:
        done = f"{len(driver.trials)} of {budget.trials} trials"
        _fail(f"stopped after {done}; nothing is lost. Go on with: {how}", STOPPED)
    say(f"the search is over: {driver.reason}")
    _print_front(ledger)


@contextmanager
def _errors(log_format: Literal["text", "json"] = "text") -> Iterator[None]:
    """Wrong input becomes one message and exit status 2, without a traceback."""
    from search.cli.logs import set_up

    set_up(log_format)
    try:
        yield
    except ValueError as error:
        _fail(str(error), WRONG_INPUT)
    except OSError as error:
        _fail(str(error), FAILED)


@contextmanager
def _disk() -> Iterator[None]:
    """A disk that gives up is a failure and no wrong input; nothing half-written is left."""
    try:
        yield
    except OSError as error:
        _fail(f"could not be written, and nothing is left of it: {error}", FAILED)


def _fail(message: str, status: int) -> None:
    print(message, file=sys.stderr)
    raise typer.Exit(status)


def _print_front(ledger: Ledger) -> None:
    from search.cli.tables import front_table
    from search.runs import results_of

    _console().print(front_table(results_of(ledger)))


def _say_changed(changed: list[str]) -> None:
    for each in changed:
        print(f"note: {each}", file=sys.stderr)


def _take_over(prepared: Plan, old: Ledger, new: Ledger) -> None:
    from search.runs import transfer_trials

    taken = transfer_trials(prepared, old, new)
    how = "with their scores" if taken.scored else "of its front, to be scored anew"
    print(f"{taken.trials} trials of {old.root} are taken over, {how}", file=sys.stderr)
    if taken.outside:
        print(f"{taken.outside} of its front are outside the new space: left out", file=sys.stderr)


def _say_warnings(prepared: Plan) -> None:
    for finding in prepared.warnings:
        print(f"warning: {finding}", file=sys.stderr)


def _say_diagnosis(found: Diagnosis, what: list[str]) -> None:
    from search.cli.tables import preview_table
    from search.config.diagnosis import deep_table, findings_table

    console = _console()
    if found.findings:
        console.print(findings_table(found.findings))
    if found.plan:
        space, config = found.plan.space, found.plan.config
        console.print(
            f"{what[0]}: {len(found.plan.models)} models can be merged by "
            f"{', '.join(config.methods)}; {len(space.axes)} parameters, "
            f"{config.budget.trials} trials"
        )
        console.print(preview_table(space.axes, config.budget.trials))
    elif not found.errors:
        console.print(f"{len(what)} models can be merged", highlight=False)
    for line in found.takes.lines() if found.takes else []:
        console.print(line, highlight=False)
    if found.deep:
        console.print(deep_table(found.deep))


def _console(*, stderr: bool = False, quiet: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, quiet=quiet)
