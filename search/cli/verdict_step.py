"""The verdict that a config wants at the end of its search."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING

from search.cli.errors import FAILED, fail, input_errors
from search.cli.output import note
from search.cli.session import session_errors

if TYPE_CHECKING:
    from search.cli.log_format import LogFormat
    from search.ledger import Ledger


def judge_pick(
    ledger: Ledger,
    pick: str | None,
    address: str = "local",
    takeover: bool = False,
    log_format: LogFormat = "text",
) -> None:
    """Makes the verdict that `verdict:` asks for; else nothing.

    If it stops early, the program ends with the exit status and the command to continue.
    """
    report: Callable[[str], None] = note
    if log_format == "json":
        report = logging.getLogger(__name__).info
    again = f"Continue with: mergefront resume {shlex.quote(ledger.root)}"
    with input_errors(log_format), session_errors(ledger.root, again):
        from search.runs import ScoringError
        from search.runs import judge_pick as judge

        try:
            judge(ledger, pick, address=address, takeover=takeover, say=report)
        except ScoringError as error:
            fail(f"{error}\n{again}", FAILED)
