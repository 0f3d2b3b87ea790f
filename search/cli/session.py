"""One session of a search at a terminal: its progress, why it ended, and how to continue."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Iterator
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


def run_session(
    plan: Plan,
    ledger: Ledger,
    budget: Budget,
    address: str = "local",
    takeover: bool = False,
    log_format: LogFormat = "text",
) -> None:
    """Searches until the budget is spent, and shows the progress.

    If the search stops early, the program ends with the exit status and the command to continue.
    """
    from search.cli.progress import Progress
    from search.results import Effort
    from search.runs import run_search

    _name_run(ledger, log_format)
    report, terminal = _report(log_format), messages()
    if log_format == "json":  # the log lines are for a program; they say it all
        terminal = console(stderr=True)
        terminal.quiet = True
    progress = Progress(terminal, ledger.header["name"], ledger.root).shown()
    with session_errors(ledger.root, _advice(ledger)), progress as watch:
        driver = run_search(plan, ledger, budget, address=address, takeover=takeover, watch=watch)
    if not driver.finished:
        done = f"{len(driver.trials)} of {counted(budget.trials, 'trial')}"
        fail(f"stopped after {done}; nothing is lost. {_advice(ledger)}", STOPPED)
    effort = str(Effort.of(driver.trials))
    report(f"the search is over: {driver.reason}" + (f"; scored: {effort}" if effort else ""))


def is_over(ledger: Ledger, budget: Budget, log_format: LogFormat = "text") -> bool:
    """Whether the budget of a run is spent; then it says so, and how to raise it."""
    from search.runs import reached_limit

    if not (limit := reached_limit(ledger, budget)):
        return False
    _name_run(ledger, log_format)
    more = _with_more(ledger, budget)
    _report(log_format)(f"nothing to do: {limit}; raise the budget to continue: {more}")
    return True


def _with_more(ledger: Ledger, budget: Budget) -> str:
    """The command that continues with more of what is spent, if an option can say it."""
    from search.runs import raised_budget, reached_limit

    command = f"mergefront resume {shlex.quote(ledger.root)}"
    for option in ("trials", "hours"):
        if (limit := getattr(budget, option)) is None:
            continue
        if not reached_limit(ledger, raised_budget(budget, {option: 2 * limit})):
            return f"{command} --{option} {2 * limit:g}"
    return f"{command} --config FILE, with a larger `budget:` in a copy of its config.yaml"


def _name_run(ledger: Ledger, log_format: LogFormat) -> None:
    if log_format == "text":
        note(f"run {ledger.root}")


def _report(log_format: LogFormat) -> Callable[[str], None]:
    """Says something on standard error: as a log line, if these are for a program."""
    return logging.getLogger(__name__).info if log_format == "json" else note


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
