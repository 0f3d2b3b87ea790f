"""The command that shows one trial."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from evaluators.wording import counted
from search.cli.errors import input_errors
from search.cli.options import Json, Run
from search.cli.output import say

if TYPE_CHECKING:
    from search.ledger import Trial
    from search.results import RunResults


def show(
    run: Run,
    trial: Annotated[int, typer.Argument(help="The number of the trial.")],
    as_json: Json = False,
) -> None:
    """Show a trial: its scores, its recipe in words, and why it has none."""
    with input_errors():
        from search.ledger import Ledger
        from search.runs import results_of

        results = results_of(Ledger(run))
        found = next((each for each in results.trials if each.number == trial), None)
        if found is None:
            count = counted(len(results.trials), "trial")
            raise ValueError(
                f"{run}: has no finished trial {trial}; it has {count}, counted from 0"
            )
    if as_json:
        print(json.dumps({"version": 1, **json.loads(found.to_json())}, indent=2))
        return
    for line in trial_lines(found, results):
        say(line)


def trial_lines(trial: Trial, results: RunResults) -> Iterator[str]:
    """A trial in a few lines: label and state, scores, recipe, and where its time went."""
    from search.results import SCALE, recipe_lines

    label = f" ({trial.label})" if trial.label else ""
    yield f"trial {trial.number}{label}: {trial.state}, recipe digest {trial.proposal.digest}"
    if trial.scores:
        scores = "  ".join(f"{name} {value:.4f}" for name, value in trial.scores.items())
        yield f"scores: {scores}"
        yield f"mean {results.mean(trial):.3f}, where {SCALE}"
    if trial.cause:
        yield f"cause: {trial.reason}"
    if trial.estimates:
        estimates = "  ".join(
            f"{name} {each.value:.4f} ± {each.error:.4f} ({counted(each.documents, 'document')})"
            for name, each in trial.estimates.items()
        )
        yield f"estimates with standard errors: {estimates}"
    head, *groups = recipe_lines(trial.proposal.recipe)
    yield head
    yield from (f"  {line}" for line in groups)
    if trial.seconds:
        phases = ", ".join(f"{phase} {value:.2f} s" for phase, value in trial.seconds.items())
        yield f"took: {phases}"
