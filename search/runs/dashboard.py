"""optuna-dashboard on a run, which it shows while the search goes on."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from search.results import recipe_lines
from search.runs.run import open_run, results_of

if TYPE_CHECKING:
    from search.ledger import Ledger
    from search.samplers import Mirror, MirroredTrial

INTERVAL = 5.0  # seconds between two looks at the run


def show_dashboard(
    root: str, host: str, port: int, say: Callable[[str], None] = lambda _: None
) -> None:
    """Serves optuna-dashboard until it is interrupted.

    Raises:
        ValueError: if there is no such run, or optuna-dashboard is not installed.
        OSError: if the port is taken.
    """
    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise ValueError(
            "optuna-dashboard is not installed; pip install 'mergefront[dashboard]'"
        ) from None
    with tempfile.TemporaryDirectory(prefix="mergefront-") as folder:
        mirror, ledger = mirror_of(root, Path(folder) / "journal.log")
        over = threading.Event()
        follower = threading.Thread(target=_follow, args=(mirror, ledger, over), daemon=True)
        follower.start()
        say(f"http://{host}:{port}/ shows {root}; Ctrl-C ends it")
        try:
            run_server(mirror.storage, host=host, port=port)
        finally:
            over.set()
            follower.join()


def mirror_of(root: str, file: Path) -> tuple[Mirror, Ledger]:
    """A run in an Optuna journal, as far as it has come."""
    from search.samplers import Mirror

    plan, ledger = open_run(root)
    directions = {each.name: each.direction for each in plan.objectives}
    mirror = Mirror(file, ledger.header["name"], plan.space.axes, directions)
    mirror.add(rows_of(ledger))
    return mirror, ledger


def rows_of(ledger: Ledger) -> Iterator[MirroredTrial]:
    """The finished trials of a run, in the order of finishing."""
    results = results_of(ledger, averages=False)
    for trial in results.trials:
        scores = [trial.scores[each.name] for each in results.objectives] if trial.scores else None
        shown = {
            "recipe": "\n".join(recipe_lines(trial.proposal.recipe)),
            "cause": trial.cause or "",
            **{f"estimated {name}": each.value for name, each in trial.estimates.items()},
        }
        yield trial.number, trial.state, trial.proposal.params, scores, shown


def _follow(mirror: Mirror, ledger: Ledger, over: threading.Event) -> None:
    while not over.wait(INTERVAL):
        mirror.add(rows_of(ledger))
