"""One session of a search at a terminal: its progress, why it ended, and how to continue."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evaluators.wording import counted
from search.cli.errors import STOPPED, WRONG_INPUT, fail
from search.cli.output import console, messages, note

if TYPE_CHECKING:
    from search.cli.log_format import LogFormat
    from search.config import Plan
    from search.driver import Budget
    from search.ledger import Ledger
    from search.objectives import Objective
    from search.results import RunResults


def run_session(
    plan: Plan,
    ledger: Ledger,
    budget: Budget,
    address: str = "local",
    takeover: bool = False,
    log_format: LogFormat = "text",
    as_json: bool = False,
) -> None:
    """Searches until the budget is spent, shows the progress, and prints the front.

    If the search stops early, the program ends with the exit status and the command to continue.
    """
    from search.cli.progress import Progress
    from search.results import Effort
    from search.runs import reached_limit, run_search

    report: Callable[[str], None] = logging.getLogger(__name__).info
    terminal = messages()
    if log_format == "json":  # the log lines are for a program; they say it all
        terminal = console(stderr=True)
        terminal.quiet = True
    else:
        report = note
        report(f"run {ledger.root}")
    if limit := reached_limit(ledger, budget):  # nothing is started
        report(f"nothing to do: {limit}; raise the budget to continue")
        return _print_result(ledger, as_json)
    progress = Progress(terminal, ledger.header["name"], ledger.root).shown()
    with session_errors(ledger.root, _advice(ledger)), progress as watch:
        driver = run_search(plan, ledger, budget, address=address, takeover=takeover, watch=watch)
    if not driver.finished:
        done = f"{len(driver.trials)} of {counted(budget.trials, 'trial')}"
        fail(f"stopped after {done}; nothing is lost. {_advice(ledger)}", STOPPED)
    effort = str(Effort.of(driver.trials))
    report(f"the search is over: {driver.reason}" + (f"; scored: {effort}" if effort else ""))
    return _print_result(ledger, as_json)


@contextmanager
def session_errors(root: str, advice: str) -> Iterator[None]:
    """Reports what ended the work on a run as one message, with the command to continue."""
    from search.ledger import RunBusyError
    from search.results import ConstantError
    from workers.pool import AddressError, PoolError, SetupError

    kept = "Every finished trial is kept."
    try:
        yield
    except (RunBusyError, AddressError) as error:
        fail(str(error), WRONG_INPUT)
    except SetupError as error:
        fail(f"{error}\nFix this first. {advice}", WRONG_INPUT)
    except (PoolError, ConstantError) as error:
        fail(f"{error}\n{kept} {advice}", STOPPED)
    except OSError as error:
        fail(f"{root}: {error}\nAll files written so far are complete. {advice}", STOPPED)
    except KeyboardInterrupt:
        fail(f"interrupted. {kept} {advice}", STOPPED)


def _advice(ledger: Ledger) -> str:
    return f"Continue with: mergefront resume {shlex.quote(ledger.root)}"


def _print_result(ledger: Ledger, as_json: bool) -> None:
    from search.runs import results_of

    results = results_of(ledger)
    if as_json:
        print(json.dumps(results.to_json(ledger.header["name"]), indent=2))
    else:
        print_front(results)


def print_front(results: RunResults, objectives: Sequence[Objective] | None = None) -> None:
    """Prints the front as a table that fits the terminal."""
    from search.cli.front_table import front_tables

    terminal = console()
    for table in front_tables(results, terminal.width, objectives):
        terminal.print(table)
