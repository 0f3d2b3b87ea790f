"""A new run that starts with the trials of another."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from search.driver import baselines
from search.ledger import Proposal
from search.runs.inputs import inputs
from search.runs.run import config_of, results_of

if TYPE_CHECKING:
    import pyarrow as pa

    from search.config import Plan
    from search.ledger import Ledger
    from workers.recipe import Recipe

log = logging.getLogger(__name__)

SCORE_KEYS = ("documents", "scoring", "tokenizer", "chat_template", "generation_config")
"""Keys of a config that decide scores."""


class Transfer(NamedTuple):
    """What was copied from an old run into a new one."""

    trials: int
    """Finished trials or points."""
    scored: bool
    """Whether their scores were copied too."""
    outside: int = 0
    """Points of the old front that are outside the new space, and left out."""


def transfer_trials(plan: Plan, old: Ledger, new: Ledger) -> Transfer:
    """Copies trials of an old run into a new one.

    With the same models, tasks, documents and objectives, trials are copied with their scores, and
    proposals that had not finished are tried in the new run. Otherwise only the points of the old
    front that lie in the new space are copied, to be scored again.
    """
    if _are_scores_valid(plan, old, new):
        return Transfer(_copy(plan, old, new), scored=True)
    known = results_of(old, averages=False).front
    front = [dict(params) for trial in known if (params := trial.proposal.params)]
    points = [params for params in front if _has(plan, params)]
    first = baselines(plan.space, plan.recipes).known
    labels = {each.recipe.digest: each.label for each in first}
    for number, params in enumerate(points):
        recipe = plan.space.recipe(params)
        new.propose(Proposal.create(number, recipe, params, labels.get(recipe.digest)))
    return Transfer(len(points), scored=False, outside=len(front) - len(points))


def _are_scores_valid(plan: Plan, old: Ledger, new: Ledger) -> bool:
    before, config = old.header["inputs"], config_of(old)
    same = all(before.get(name) == digest for name, digest in inputs(plan).items())
    now = plan.config.model_dump(mode="json")
    alike = all(config.get(key) == now[key] for key in SCORE_KEYS)
    known, wanted = (_unweighted(each.header["objectives"]) for each in (old, new))
    return same and alike and all(known.get(name) == each for name, each in wanted.items())


def _unweighted(objectives: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Objectives as a header has them, without weights, which change no score."""
    return {
        name: {key: value for key, value in each.items() if key != "weight"}
        for name, each in objectives.items()
    }


def _copy(plan: Plan, old: Ledger, new: Ledger) -> int:
    """Keeps numbers and orders, except that gaps left by lost files are closed."""
    contents, wanted = old.contents(), new.header["objectives"]
    numbers = {known: number for number, known in enumerate(contents.proposals)}
    for kept in contents.proposals.values():
        new.propose(_proposal(plan, kept, numbers))
    for order, trial in enumerate(contents.trials):
        proposal = _proposal(plan, trial.proposal, numbers)
        scores = {name: value for name, value in trial.scores.items() if name in wanted}
        estimates = {name: each for name, each in trial.estimates.items() if name in wanted}
        copy = replace(
            trial,
            proposal=proposal,
            order=order,
            scores=scores,
            estimates=estimates,
            clock=0.0,  # the new run's hours are its own
        )
        new.finish(copy, _documents(old, trial.number))
    return len(contents.trials)


def _documents(old: Ledger, number: int) -> pa.Table | None:
    try:
        return old.documents(number)
    except ValueError as error:  # a damaged file of many: its index has the scores
        log.warning("%s", error)
        return None


def _proposal(plan: Plan, kept: Proposal, numbers: Mapping[int, int]) -> Proposal:
    params = _params(plan, kept.recipe)
    return Proposal.create(numbers[kept.number], kept.recipe, params, kept.label)


def _has(plan: Plan, params: Mapping[str, Any]) -> bool:
    """Whether the new space has this point of the old one."""
    axes = plan.space.axes
    return set(params) == set(axes) and all(axes[name].holds(params[name]) for name in axes)


def _params(plan: Plan, recipe: Recipe) -> dict[str, Any] | None:
    try:
        return plan.space.params(recipe)
    except ValueError:  # no point of the new space: kept, but the sampler cannot learn from it
        return None
