"""What to do after a search."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.cli.output import note

if TYPE_CHECKING:
    from search.cli.log_format import LogFormat
    from search.ledger import Ledger


def say_next_steps(ledger: Ledger, log_format: LogFormat = "text") -> None:
    """Says to a person which commands make something of a run whose budget is spent."""
    if log_format == "json":
        return
    from search.runs import config_of

    steps = dict(_steps(config_of(ledger), shlex.quote(_short(ledger.root))))
    width = max(map(len, steps))
    note("Next:")
    for command, purpose in steps.items():
        note(f"  {command:<{width}}  {purpose}")


def _steps(config: Mapping[str, Any], run: str) -> Iterator[tuple[str, str]]:
    pick = config.get("verdict")  # runs of earlier versions have no such key
    option = f" --pick {shlex.quote(pick)}" if pick not in (None, "knee") else ""
    if config["documents"]["report"] and not pick:
        yield f"mergefront verdict {run}", "tests the knee on documents that were kept back"
    yield f"mergefront show {run} TRIAL", "says the recipe of a trial in words"
    yield f"mergefront report {run}{option}", "writes all about the run as one HTML page"
    chosen = "the trial of the verdict" if pick else "the knee"
    yield f"mergefront export {run} OUT{option}", f"writes {chosen} as a model directory"


def _short(run: str) -> str:
    """The folder as a person in the working directory would name it; a URI as it is."""
    path, here = Path(run), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else run
