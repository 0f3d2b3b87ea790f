"""The command that shortens a trial's recipe."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evaluators.wording import counted
from search.cli.errors import FAILED, fail, input_errors, write_errors
from search.cli.options import ANOTHER_FILE, Address, Force, Json, Run, Takeover
from search.cli.output import note, say
from search.cli.session import session_errors
from workers.new_path import check_absent, write_whole

if TYPE_CHECKING:
    from search.runs import Simplification

STEPS = 20


def simplify(
    run: Run,
    trial: Annotated[int, typer.Argument(help="The number of the trial.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Write the recipe to this file, for `mergefront merge`.", metavar="FILE"),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, help="How many steps to try; each costs a scoring.")
    ] = STEPS,
    address: Address = "local",
    takeover: Takeover = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Shorten a trial's recipe as long as a paired test cannot tell that it got worse.

    Values become equal in all layers, modules or models, models of little weight are left out, and
    numbers are rounded. Every recipe is scored on the selection documents, once.
    """
    with input_errors():
        from search.ledger import Ledger
        from search.runs import ScoringError
        from search.runs import simplify as shorten

        if out:
            check_absent(out, force=force, advice=ANOTHER_FILE)
        if out and not out.parent.is_dir():
            raise ValueError(f"--out: {out.parent} is no folder; make it first")
        ledger = Ledger(run)
        again = f"Continue with: mergefront simplify {shlex.quote(run)} {trial}"
        with session_errors(run, again):
            try:
                found = shorten(
                    ledger, trial, limit=limit, address=address, takeover=takeover, say=note
                )
            except ScoringError as error:
                fail(str(error), FAILED)
        if out:
            with write_errors():
                write_whole(out, found.recipe.to_yaml().encode())
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
        return
    for line in simplification_lines(found):
        say(line)
    if out:
        say(f"{out} is ready; merge it: mergefront merge {out} OUT")


def simplification_lines(found: Simplification) -> Iterator[str]:
    """The steps that were tried, the recipe, and how sure it is that it is no worse."""
    from search.results import recipe_lines

    yield f"trial {found.trial.number}, on the {found.documents} documents (+ is better than it):"
    for each in found.attempts:
        what = "kept  " if each.is_kept else "undone"
        why = ", ".join(map(str, each.contrasts)) or f"broken: {each.cause}"
        yield f"  {what}  {each.step}: {why}"
    before, after = found.numbers
    kept = any(each.is_kept for each in found.attempts)
    yield "" if kept else "No step was kept: the merge is as it was."
    numbers = f"{counted(after, 'number')} instead of {before}"
    yield f"The recipe has {numbers}, digest {found.recipe.digest}:"
    head, *groups = recipe_lines(found.recipe)
    yield f"  {head}"
    yield from (f"    {line}" for line in groups)
    yield from _conclusion(found)
    if not found.is_complete:
        yield "There are more steps to try: raise --limit; what is scored is kept."


def _conclusion(found: Simplification) -> Iterator[str]:
    for each in found.contrasts:
        low, high = each.test.interval
        said = "it is better than the original" if each.is_better else "the test cannot tell it"
        rest = "" if each.is_better else " from the original"
        yield (
            f"{each.objective}: {said}{rest}; difference {each.test.difference:+.4f}, 95 % "
            f"interval [{low:+.4f}, {high:+.4f}]"
        )
    if found.contrasts:
        yield (
            "That is no proof that they are equal: a loss within these intervals is possible, and "
            "the steps were chosen on these documents."
        )
