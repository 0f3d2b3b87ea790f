"""What every run begins with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.driver import Baseline, baselines
from search.ledger import BASE, UNIFORM, Proposal, Trial
from search.results import RunResults
from search.space import Space
from tests.search.conftest import OBJECTIVES, make_space
from workers.methods import METHODS
from workers.recipe import Group, Recipe

SPACE = make_space("linear", "task_arithmetic", "ties", membership=True)


def finished(first: Baseline, order: int, picks: float | None) -> Trial:
    state = "broken" if picks is None else "scored"
    scores = {} if picks is None else {"picks": picks, "text": 1.0}
    proposal = Proposal.create(order, first.recipe, first.params, first.label)
    return Trial(proposal, state, order, scores)


def cook(picks_of, space: Space = SPACE) -> list[str]:
    """The labels of all baselines when each gets the score that `picks_of` says."""
    plan = baselines(space)
    trials: list[Trial] = []
    while True:
        labels = {trial.label for trial in trials}
        digests = {trial.proposal.recipe.digest for trial in trials}
        following = plan.next(labels, digests, RunResults(OBJECTIVES, trials))
        if following is None:
            return [trial.label for trial in trials]
        trials.append(finished(following, len(trials), picks_of(following)))


def test_they_are_inputs_soup_defaults_and_scales():
    labels = [first.label for first in baselines(SPACE).known]
    assert labels[:5] == [BASE, "a", "b", "c", UNIFORM]
    assert labels[5:7] == ["task_arithmetic defaults", "ties defaults"]  # linear's is the soup
    assert [label.split()[-2:] for label in labels[7:]] == [["average", "change"]] * 5


@pytest.mark.parametrize("varying", [{"depth": 2}, {"modules": ["mlp"]}])
def test_a_total_scale_that_varies_is_tried_with_one_value_everywhere(varying):
    space = make_space("task_arithmetic", **{"lambda": varying})
    scales = [each for each in baselines(space).known if each.label.endswith("average change")]
    values = [each.recipe.groups[0].parameters["lambda"] for each in scales]
    assert values == pytest.approx([0.2, 0.2 * 15**0.25, 0.2 * 15**0.5, 0.2 * 15**0.75, 3.0])
    assert all(len(each.recipe.groups) == 1 for each in scales)


@pytest.mark.parametrize("models", ["ab", "abc"])
def test_they_are_never_more_than_the_doctor_says(models):
    space = replace(SPACE, models={name: SPACE.models[name] for name in models})
    tried = cook(lambda first: float(len(first.recipe.models)), space)
    assert len(baselines(space).known) <= len(tried) <= baselines(space).most


def test_no_first_trial_is_another_one_by_another_name():
    digests = [first.recipe.digest for first in baselines(SPACE).known]
    assert len(digests) == len(set(digests))


def test_published_values_stand_in_the_recipes():
    known = {first.label: first for first in baselines(SPACE).known}
    ties = known["ties defaults"].recipe.groups[0].parameters
    assert ties["density"]["a"] == pytest.approx(0.2)
    assert ties["lambda"] == 1.0
    assert known["task_arithmetic defaults"].recipe.groups[0].parameters["lambda"] == 0.4


@pytest.mark.parametrize("method", [name for name in METHODS if name != "passthrough"])
def test_every_method_has_defaults_that_make_a_recipe(method):
    baselines(make_space(method, models="ab"))


def test_the_greedy_soup_adds_the_next_best_model_and_keeps_what_does_not_harm():
    alone = {BASE: 0.1, "a": 0.2, "b": 0.6, "c": 0.4}

    def picks(first):
        return alone.get(first.label, 0.7 if "c" in first.label else 0.1)

    greedy = [label for label in cook(picks) if label.startswith("greedy")]
    assert greedy == ["greedy soup 2: c"]  # with a it is the uniform soup, which is known

    def worse(first):
        return alone.get(first.label, 0.0)

    greedy = [label for label in cook(worse) if label.startswith("greedy")]
    assert greedy == ["greedy soup 2: c", "greedy soup 2: a"]


def test_a_model_without_scores_is_left_out_of_the_greedy_soup():
    picks = {BASE: 0.1, "a": None, "b": 0.6, "c": 0.4}
    labels = cook(lambda first: picks.get(first.label, 0.5))
    assert [label for label in labels if label.startswith("greedy")] == ["greedy soup 2: c"]


def test_the_greedy_soup_waits_for_all_models():
    plan = baselines(SPACE)
    trials = [finished(first, i, 0.5) for i, first in enumerate(plan.known[:3])]
    labels = {first.label for first in plan.known}
    assert plan.next(labels, set(), RunResults(OBJECTIVES, trials)) is None


def test_a_users_recipe_is_tried_as_it_is():
    weights = {"weight": {"a": 0.25, "b": 0.5, "c": 0.125}}
    recipe = Recipe("linear", SPACE.models, (Group(weights),), SPACE.base)
    known = baselines(SPACE, {"mine": recipe}).known
    mine = next(first for first in known if first.label == "recipe mine")
    assert mine.recipe.digest == recipe.digest
    assert mine.params is not None
