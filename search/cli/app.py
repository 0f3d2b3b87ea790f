"""The command line: every command with its example. Heavy imports stay inside the commands."""

from __future__ import annotations

import gc
import inspect
import os
from collections.abc import Callable
from functools import wraps
from typing import Annotated

import typer

from search.cli.cluster import jobs, logs, stop, submit
from search.cli.export import export
from search.cli.models import doctor, init, merge
from search.cli.options import Quiet
from search.cli.output import set_quiet
from search.cli.results import dashboard, front, report, status, verdict
from search.cli.search import demo, resume, search
from search.cli.service import serve, token
from search.cli.show import show
from search.cli.simplify import simplify

EXAMPLES: dict[Callable[..., None], str] = {
    init: "models/code models/law --task-folder tasks",
    doctor: "configs/demo.yaml",
    search: "configs/demo.yaml",
    resume: "runs/demo --trials 300",
    status: "runs/demo --json",
    submit: "configs/demo.yaml --address http://head:8265",
    jobs: "--address http://head:8265",
    logs: "demo --follow --address http://head:8265",
    stop: "demo --address http://head:8265",
    front: "runs/demo --where 'general >= 0.98 * base.general'",
    show: "runs/demo 28",
    simplify: "runs/demo 28 --out shorter.yaml",
    verdict: "runs/demo --pick knee",
    report: "runs/demo report.html",
    dashboard: "runs/demo --port 8080",
    export: "runs/demo merged --pick knee",
    merge: "recipe.yaml merged",
    demo: "/tmp/demo",
    serve: "--root /srv/mergefront --data /srv/models",
    token: "create ada --role run --root /srv/mergefront",
}

app = typer.Typer(
    name="mergefront",
    help="Searches for the best ways to merge fine-tuned language models.",
    epilog="Exit status: 0 done, 1 failed, 2 wrong input, 3 stopped early and can be resumed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("mergefront"))
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Searches for the best ways to merge fine-tuned language models."""


def _with_quiet(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the option --quiet, which every command has."""

    @wraps(command)
    def run(*arguments: object, quiet: bool, **options: object) -> None:
        set_quiet(quiet)
        command(*arguments, **options)

    option = inspect.Parameter(
        "quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet
    )
    signature = inspect.signature(command, eval_str=True)
    parameters = [*signature.parameters.values(), option]
    vars(run)["__signature__"] = signature.replace(parameters=parameters)
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


for _command, _arguments in EXAMPLES.items():
    _example = f"Example: mergefront {_command.__name__} {_arguments}"
    app.command(epilog=_example)(_with_quiet(_command))


def main() -> None:
    """Runs the command line."""
    if os.environ.get("NO_COLOR"):
        import typer.rich_utils

        typer.rich_utils.COLOR_SYSTEM = None  # else its help is bold and dim all the same
    try:
        app()
    finally:
        gc.freeze()  # Python's last collections take seconds if torch is loaded, and free nothing
