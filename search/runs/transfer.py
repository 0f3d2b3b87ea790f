"""A new run that begins with the trials of another."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from search.driver.baselines import baselines
from search.ledger.trial import Proposal
from search.runs.inputs import inputs
from search.runs.session import config_of, results_of

if TYPE_CHECKING:
    import pyarrow as pa

    from search.config.plan import Plan
    from search.ledger import Ledger
    from workers.recipe import Recipe

log = logging.getLogger(__name__)

HOW_SCORED = ("documents", "scoring")
"""Keys of a config without which scores say nothing."""


class Transfer(NamedTuple):
    """What a new run has from an old one."""

    trials: int
    """Finished trials or points."""
    scored: bool
    """Whether they came with their scores."""
    left: int = 0
    """Points of the old front that are outside the new space."""


def transfer_trials(prepared: Plan, old: Ledger, new: Ledger) -> Transfer:
    """Fills a new run from an old one.

    Where models, tasks, documents and objectives are the same, trials come with their scores, and
    what was proposed and had not finished is tried in the new run.
    Else only the points of the old front come, as far as the new space has them, and are scored
    anew.
    """
    if _scores_hold(prepared, old, new):
        return Transfer(_copy(prepared, old, new), scored=True)
    front = [dict(params) for trial in results_of(old).front if (params := trial.proposal.params)]
    points = [params for params in front if _has(prepared, params)]
    first = baselines(prepared.space, prepared.recipes).known
    labels = {each.recipe.digest: each.label for each in first}  # what they are in the new run
    for number, params in enumerate(points):
        recipe = prepared.space.recipe(params)
        new.propose(Proposal(number, recipe, params, labels.get(recipe.digest)))
    return Transfer(len(points), scored=False, left=len(front) - len(points))


def _scores_hold(prepared: Plan, old: Ledger, new: Ledger) -> bool:
    before, asked = old.header["inputs"], config_of(old)
    same = all(before.get(name) == digest for name, digest in inputs(prepared).items())
    now = prepared.config.model_dump(mode="json")
    alike = all(asked[key] == now[key] for key in HOW_SCORED)
    known = old.header["objectives"]
    return (
        same and alike and all(known.get(n) == each for n, each in new.header["objectives"].items())
    )


def _copy(prepared: Plan, old: Ledger, new: Ledger) -> int:
    """Numbers and orders stay, but for gaps that damage has left in the old run."""
    contents, wanted = old.contents(), new.header["objectives"]
    numbers = {known: number for number, known in enumerate(contents.proposals)}
    for kept in contents.proposals.values():
        new.propose(_proposal(prepared, kept, numbers))
    for order, trial in enumerate(contents.trials):
        proposal = _proposal(prepared, trial.proposal, numbers)
        scores = {name: value for name, value in trial.scores.items() if name in wanted}
        # the new run's hours are its own
        copy = replace(trial, proposal=proposal, order=order, scores=scores, clock=0.0)
        new.finish(copy, _documents(old, trial.number))
    return len(contents.trials)


def _documents(old: Ledger, number: int) -> pa.Table | None:
    try:
        return old.documents(number)
    except ValueError as error:  # a large file was damaged: the trial's scores are known even so
        log.warning("%s", error)
        return None


def _proposal(prepared: Plan, kept: Proposal, numbers: Mapping[int, int]) -> Proposal:
    params = _params(prepared, kept.recipe)
    return Proposal(numbers[kept.number], kept.given, params, kept.label)


def _has(prepared: Plan, params: Mapping[str, Any]) -> bool:
    """Whether the new space has this point of the old one."""
    axes = prepared.space.axes
    return set(params) == set(axes) and all(axes[name].holds(params[name]) for name in axes)


def _params(prepared: Plan, recipe: Recipe) -> dict[str, Any] | None:
    try:
        return prepared.space.params(recipe)
    except ValueError:  # it has no point in the new space: kept, and not learned from
        return None
