"""The commands that work on searches of a service: with `--server URL`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search.cli.errors import FAILED, fail
from search.cli.output import say

if TYPE_CHECKING:
    from search.results import RunResults
    from search.service import Client

TOKEN = "MERGEFRONT_TOKEN"

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        help=f"URL of a service: the search of that name there. The token is in {TOKEN}.",
        metavar="URL",
        show_default=False,
    ),
]


def client(server: str) -> Client:
    """The client of a service, with the token of the environment.

    Raises:
        ValueError: if there is no token.
    """
    from search.service import Client

    if not (token := os.environ.get(TOKEN)):
        raise ValueError(f"--server: set {TOKEN}; the service's operator makes a token")
    return Client(server, token)


def submit_to(server: str, config: Path) -> None:
    """Sends a config; the search has its `name`, or the last part of its `run`."""
    import yaml

    from search.config import ConfigFile

    content = dict(ConfigFile(config).raw)
    if run := content.pop("run", None):  # the service chooses the folder
        content["name"] = str(run).rstrip("/").rpartition("/")[2]
    with client(server) as service:
        status = service.submit(yaml.safe_dump(content, sort_keys=False))
    print(f"search {status['name']} is {status['state']} on {server}")


def print_status_of(server: str, name: str, *, follow: bool, as_json: bool) -> None:
    """Prints the status once, or at each change as long as the search runs."""
    from search.cli.tables import status_lines

    with client(server) as service:
        for found in service.events(name) if follow else [service.status(name)]:
            if as_json:
                print(json.dumps(found, indent=None if follow else 2), flush=True)
            for line in () if as_json else status_lines(found):
                say(line)
            if found["state"] not in ("waiting", "running"):
                return


def front_from(
    server: str, name: str, where: str | None, *, history: bool
) -> tuple[RunResults, dict[str, Any]]:
    """The results of a search, from all its trials, and its front as `--json` prints it."""
    with client(server) as service:
        content = service.front(name, where, history=history)
        content.pop("pick")
        return service.results(name), content


def stop_on(server: str, name: str) -> None:
    """Begins to stop a search."""
    with client(server) as service:
        service.stop(name)
    print(
        f"search {name} is being stopped; `mergefront resume {name} --server {server}` continues it"
    )


def resume_on(server: str, name: str, **limits: float | None) -> None:
    """Continues a search with new limits."""
    with client(server) as service:
        status = service.resume(name, **limits)
    print(f"search {name} is {status['state']} on {server}")


def export_on(server: str, name: str, export: str, **options: Any) -> None:
    """Exports a model there, and waits for it."""
    with client(server) as service:
        service.export(name, export, **options)
        task = service.finished_export(name, export)
    if task["state"] != "done":
        fail(
            "\n".join([*task["log"], f"export {export} {task['state']}: {task['message']}"]), FAILED
        )
    for line in task["log"]:
        print(line)
    print(f"the service has written {task['path']}")
