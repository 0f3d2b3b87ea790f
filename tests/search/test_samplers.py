"""The contract that every sampler keeps. A sampler is tested by being listed in the settings."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest

from search.samplers import Auto, Cmaes, Gp, SamplerSettings, Study
from search.space import Axis, MergeFeatures
from tests.search.conftest import make_space

SPACE = make_space("linear", "ties", "dare_ties", models="ab", membership=True)
SETTINGS = [kind() for kind in get_args(get_args(SamplerSettings)[0])]
QUICK = {
    each.type: each.model_copy(
        update={k: 6 for k in ("startup", "population") if k in type(each).model_fields}
    )
    for each in SETTINGS
}
SLOW = pytest.mark.slow  # seconds an ask
SAMPLERS = [
    pytest.param(each, id=name, marks=SLOW if name == "gp" else ()) for name, each in QUICK.items()
]


def score(params: dict[str, Any], objectives: int) -> list[float]:
    """Any function of a point: the objectives pull its weights to opposite ends."""
    near = sum((value - 0.3) ** 2 for value in params.values() if isinstance(value, float)) + (
        params["method"] == "ties"
    )
    return [near, sum(2 - v for v in params.values() if isinstance(v, float))][:objectives]


@dataclass
class Simulation:
    """An asynchronous search with four workers, as a ledger would keep it."""

    study: Study
    objectives: int
    rng: random.Random = field(default_factory=lambda: random.Random(3))
    running: dict[int, dict[str, Any]] = field(default_factory=dict)
    events: list[tuple[Any, ...]] = field(default_factory=list)

    def proceed(self, trials: int) -> list[dict[str, Any]]:
        """The points that are asked for until so many trials have started."""
        found = []
        for _ in range(trials):
            while len(self.running) >= 4:
                self._finish(self.rng.choice(sorted(self.running)))
            number, params, notes = self.study.ask()
            self.events.append(("add", params, notes))
            self.running[number] = params
            found.append(params)
        return found

    def _finish(self, number: int) -> None:
        params = self.running.pop(number)
        kind = self.rng.random()
        values = None if kind < 0.2 else score(params, self.objectives)
        is_estimate = values is not None and kind > 0.8
        errors = [0.2] * self.objectives if is_estimate else None
        told = (number, values, 0.1 < kind < 0.2, errors)
        self.events.append(("tell", *told))
        tell(self.study, *told)

    def replayed(self, study: Study) -> Simulation:
        """The same up to here, replayed into a new study."""
        for kind, *what in self.events:
            study.add(*what) if kind == "add" else tell(study, *what)
        rng = random.Random()
        rng.setstate(self.rng.getstate())
        return Simulation(study, self.objectives, rng, dict(self.running), list(self.events))


def tell(
    study: Study,
    number: int,
    values: list[float] | None,
    broken: bool,
    errors: list[float] | None = None,
) -> None:
    study.tell(number, values, broken=broken, errors=errors)


def make(sampler: Any, axes: dict[str, Axis] = SPACE.axes, seed: int = 0) -> tuple[Study, int]:
    objectives = 1 if isinstance(sampler, Cmaes) else 2
    return Study(sampler, axes, ["minimize"] * objectives, seed), objectives


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_point_lies_in_the_space_and_gives_a_recipe(sampler):
    for params in Simulation(*make(sampler)).proceed(24):
        assert list(params) == list(SPACE.axes)
        assert all(SPACE.axes[name].holds(value) for name, value in params.items())
        assert SPACE.recipe(params)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_seed_gives_the_same_points_and_another_seed_others(sampler):
    first, again, other = (Simulation(*make(sampler, seed=seed)).proceed(16) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_that_replays_the_same_events_continues_as_the_first_one(sampler):
    simulation = Simulation(*make(sampler))
    for _ in range(2):
        simulation.proceed(9)
        again = simulation.replayed(make(sampler)[0])
        assert again.proceed(4) == simulation.proceed(4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_choices_vary_and_points_seldom_come_twice(sampler):
    points = Simulation(*make(sampler)).proceed(24)
    assert len({params["method"] for params in points}) > 1
    assert len({tuple(params.values()) for params in points}) >= 20  # NSGA-II may copy a parent


@pytest.mark.parametrize("varying", [0, 1], ids=["all", "one"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_objective_that_is_the_same_for_all_trials_stops_nobody(sampler, varying):
    study, objectives = make(sampler)
    for _ in range(14):
        number, params, _ = study.ask()
        study.tell(number, [*score(params, varying), *[1.0] * objectives][:objectives])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_in_which_every_model_is_broken_goes_on(sampler):
    study, _ = make(sampler)
    for _ in range(14):
        number, _, _ = study.ask()
        study.tell(number, None, broken=True)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_recipe_that_no_point_gives_does_no_harm(sampler):
    study, objectives = make(sampler)
    study.tell(study.add(None), [0.0] * objectives)
    assert Simulation(study, objectives).proceed(10)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_space_of_one_number_is_enough(sampler):
    axes = {"lambda": Axis("lambda", 0.2, 3.0, log=True)}
    study, objectives = make(sampler, axes)
    for _ in range(12):
        number, params, _ = study.ask()
        assert 0.2 <= params["lambda"] <= 3.0
        study.tell(number, [abs(params["lambda"] - 1.0)] * objectives)


@pytest.mark.parametrize("kinds", [(0,), (0, 1), (0, 0)], ids=["one", "opposed", "agreeing"])
@pytest.mark.parametrize(
    "sampler",
    [Auto(), pytest.param(Gp(startup=6), marks=SLOW)],
    ids=["auto", "gp"],
)
def test_the_unit_of_an_objective_changes_nothing(sampler, kinds):
    def asked(units: tuple[float, float]) -> list[dict[str, Any]]:
        study = Study(sampler, SPACE.axes, ["minimize"] * len(kinds), 0)
        found = []
        for _ in range(14):
            number, params, _ = study.ask()
            found.append(params)
            losses = [score(params, 2)[kind] for kind in kinds]
            study.tell(number, [x * unit for x, unit in zip(losses, units, strict=False)])
        return found

    # powers of two about 1e-4 and 1e4, so that not even a last bit differs
    small, great = 2.0**-13, 2.0**13
    expected = asked((1.0, 1.0))
    for units in ((small, small), (great, great), (small, great)):
        for one, other in zip(asked(units), expected, strict=True):
            assert one == pytest.approx(other)


def test_auto_learns_and_avoids_what_breaks():
    study, _ = make(Auto())
    found = []
    for _ in range(60):
        number, params, _ = study.ask()
        broken = params["weight[a]"] > 1.0
        study.tell(number, None if broken else score(params, 2), broken=broken)
        found.append(broken)
    assert sum(found[-20:]) < sum(found[:20])


def test_auto_starts_evenly_over_depth_and_then_tells_depths_apart():
    axes = make_space("ties", depth={"groups": 4}, modules=["mlp"]).axes
    study, _ = make(Auto(), axes)
    depths = [name for name in axes if name.startswith("weight[a]")]
    spans = []
    for _ in range(24):
        number, params, _ = study.ask()
        losses = [abs(params[name] - i / 2) for i, name in enumerate(depths)]
        study.tell(number, [sum(losses), params["lambda"]])
        spans.append(max(params[name] for name in depths) - min(params[name] for name in depths))
    assert max(spans[:4]) < 2.0 * max(spans[4:])
    assert max(spans[4:]) > 0.5


def test_auto_finds_a_better_mean_than_random_points_do():
    def best(sampler: Any) -> float:
        study, _ = make(sampler)
        means = []
        for _ in range(40):
            number, params, _ = study.ask()
            study.tell(number, score(params, 2))
            means.append(sum(score(params, 2)))
        return min(means)

    assert best(Auto()) < best(QUICK["random"])


def test_auto_with_weights_improves_the_weighted_mean_in_every_ask():
    study = Study(Auto(), SPACE.axes, ["minimize"] * 2, 0, MergeFeatures(SPACE), weights=[3.0, 1.0])
    goals = set()
    for _ in range(12):
        number, params, notes = study.ask()
        study.tell(number, score(params, 2))
        goals.add(notes.get("goal"))
    assert goals == {None, "mean"}  # None: random points at first


def test_auto_notes_its_goal_and_the_length_scales_that_it_fitted():
    study, _ = make(Auto())
    notes = []
    for _ in range(14):
        number, params, found = study.ask()
        study.tell(number, score(params, 2))
        notes.append(found)
    assert {each.get("goal") for each in notes[4:]} == {"mean", "hypervolume"}
    assert [each["trials"] for each in notes if "scales" in each][:2] == [4, 5]


def test_base_and_models_set_the_scale_of_the_objectives():
    def asked(span: float) -> list[dict[str, Any]]:
        study = Study(Auto(), SPACE.axes, ["minimize"] * 2, 0, MergeFeatures(SPACE))
        study.tell(study.add(None, is_input=True), [0.0, span])
        study.tell(study.add(None, is_input=True), [2.0, 0.0])
        found = []
        for _ in range(12):
            number, params, _ = study.ask()
            study.tell(number, score(params, 2))
            found.append(params)
        return found

    assert asked(2.0) == asked(2.0)
    assert asked(2.0) != asked(50.0)


@pytest.mark.slow
def test_a_broken_model_is_a_violated_constraint_for_the_gaussian_process_too():
    assert Simulation(*make(Gp())).proceed(20)
