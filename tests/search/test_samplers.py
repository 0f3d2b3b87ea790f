"""The contract that every sampler keeps. A sampler is tested by being listed in the settings."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest

from search.samplers import Pace, SamplerSettings, Study
from search.samplers.settings import Auto, Cmaes, Evolution, Gp
from search.space import Axis
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
    pytest.param(each, id=name, marks=SLOW if name in ("gp", "auto") else ())
    for name, each in QUICK.items()
] + [pytest.param(Auto(startup=6, gp_axes=0), id="auto-without-gp")]


def score(params: dict[str, Any], objectives: int) -> list[float]:
    """Any function of a point: the objectives pull its weights to opposite ends."""
    near = sum((value - 0.3) ** 2 for value in params.values() if isinstance(value, float)) + (
        params["method"] == "ties"
    )
    return [near, sum(2 - v for v in params.values() if isinstance(v, float))][:objectives]


@dataclass
class Story:
    """An asynchronous search with four workers, as a ledger would keep it."""

    study: Study
    objectives: int
    fate: random.Random = field(default_factory=lambda: random.Random(3))
    running: dict[int, dict[str, Any]] = field(default_factory=dict)
    events: list[tuple[Any, ...]] = field(default_factory=list)

    def resume_run(self, trials: int) -> list[dict[str, Any]]:
        """The points that are asked for until so many trials were begun."""
        found = []
        for _ in range(trials):
            while len(self.running) >= 4:
                self._finish(self.fate.choice(sorted(self.running)))
            number, params, notes = self.study.ask(Pace(4, 1e6))  # however busy the machine
            self.events.append(("add", params, notes))
            self.running[number] = params
            found.append(params)
        return found

    def _finish(self, number: int) -> None:
        params = self.running.pop(number)
        kind = self.fate.random()
        values = None if kind < 0.2 else score(params, self.objectives)
        told = (number, values, 0.1 < kind < 0.2)
        self.events.append(("tell", *told))
        tell(self.study, *told)

    def retold(self, study: Study) -> Story:
        """The same up to here, told to a new study."""
        for kind, *what in self.events:
            study.add(*what) if kind == "add" else tell(study, *what)
        fate = random.Random()
        fate.setstate(self.fate.getstate())
        return Story(study, self.objectives, fate, dict(self.running), list(self.events))


def tell(study: Study, number: int, values: list[float] | None, broken: bool) -> None:
    study.tell(number, values, broken=broken)


def make(sampler: Any, axes: dict[str, Axis] = SPACE.axes, seed: int = 0) -> tuple[Study, int]:
    objectives = 1 if isinstance(sampler, Cmaes) else 2
    return Study(sampler, axes, ["minimize"] * objectives, seed), objectives


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_point_lies_in_the_space_and_gives_a_recipe(sampler):
    for params in Story(*make(sampler)).resume_run(24):
        assert list(params) == list(SPACE.axes)
        assert all(SPACE.axes[name].holds(value) for name, value in params.items())
        assert SPACE.recipe(params)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_same_story_is_told_by_the_same_seed_and_another_by_another(sampler):
    first, again, other = (Story(*make(sampler, seed=seed)).resume_run(16) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_study_that_is_told_the_story_again_goes_on_as_the_first_one(sampler):
    story = Story(*make(sampler))
    for _ in range(2):
        story.resume_run(9)
        again = story.retold(make(sampler)[0])
        assert again.resume_run(4) == story.resume_run(4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_choices_vary_and_points_seldom_come_twice(sampler):
    points = Story(*make(sampler)).resume_run(24)
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
    assert Story(study, objectives).resume_run(10)


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
    [
        Evolution(startup=6),
        Auto(startup=6, gp_axes=0),
        pytest.param(Gp(startup=6), marks=SLOW),
        pytest.param(Auto(startup=6), marks=SLOW),
    ],
)
def test_the_unit_of_an_objective_changes_nothing(sampler, kinds):
    def asked(units: tuple[float, float]) -> list[dict[str, Any]]:
        study = Study(sampler, SPACE.axes, ["minimize"] * len(kinds), 0)
        found = []
        for _ in range(14):
            number, params, _ = study.ask(Pace(4, 1e6))
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


def test_evolution_learns_and_keeps_away_from_what_breaks():
    study, _ = make(Evolution(startup=8))
    found = []
    for _ in range(60):
        number, params, _ = study.ask()
        broken = params["weight[a]"] > 1.0
        study.tell(number, None if broken else score(params, 2), broken=broken)
        found.append(broken)
    assert sum(found[-20:]) < sum(found[:20])


def test_evolution_begins_coarsely_and_then_tells_depths_apart():
    axes = make_space("ties", depth={"groups": 4}, modules=["mlp"]).axes
    study, _ = make(Evolution(startup=8), axes)
    depths = [name for name in axes if name.startswith("weight[a]")]
    told_apart = []
    for _ in range(12):
        number, params, _ = study.ask()
        study.tell(number, [sum(params[name] for name in axes), params["lambda"]])
        told_apart.append(len({params[name] for name in depths}))
    assert told_apart[:8] == [1] * 8
    assert max(told_apart[8:]) > 1


def test_auto_says_what_it_picked_and_why():
    study, _ = make(Auto(startup=2, gp_axes=3))
    picked = []
    for _ in range(4):
        number, params, notes = study.ask()
        study.tell(number, score(params, 2))
        picked.append((notes["sampler"], notes["why"]))
    assert [name for name, _ in picked] == ["start", "start", "evolution", "evolution"]
    assert picked[-1][1] == f"{len(SPACE.axes)} parameters, and gp is for 3 at most"


@pytest.mark.parametrize(
    ("pace", "why"),
    [
        (Pace(64, 100.0), "64 workers, and gp is for 31 at most"),
        (Pace(8, 0.8), r"gp is expected to take 0.\d+ s for an ask, 8 .* one every 0.1 s"),
    ],
)
def test_auto_never_asks_a_gaussian_process_that_workers_would_wait_for(pace, why):
    study, _ = make(Auto(startup=4))
    picked = []
    for _ in range(8):
        number, params, notes = study.ask(pace)
        study.tell(number, score(params, 2))
        picked.append(notes)
    assert [notes["sampler"] for notes in picked] == ["start"] * 4 + ["evolution"] * 4
    assert all(re.match(why, notes["why"]) for notes in picked[4:])


def test_one_slow_ask_is_enough_for_auto_to_leave_the_gaussian_process_for_good():
    study, _ = make(Auto(startup=2))
    for _ in range(3):
        number, params, _ = study.ask()
        study.add(params, {"sampler": "gp", "why": "", "seconds": 5.0})
        study.tell(number, score(params, 2))
    for pace in (Pace(2, 8.0), Pace(2, 1e6)):
        number, _, notes = study.ask(pace)
        assert notes["sampler"] == "evolution"
        assert notes["why"] == "gp took 5 s for an ask, 2 workers want one every 4 s"


def test_a_start_that_auto_would_not_look_at_is_refused():
    with pytest.raises(ValueError, match=r"evolution.startup: 8 would have no effect; auto begins"):
        Auto.model_validate({"startup": 6, "evolution": {"startup": 8, "children": 64}})
    allowed = Auto.model_validate({"startup": 6, "evolution": {"children": 64}})
    assert Auto.model_validate(allowed.model_dump()) == allowed  # as a run keeps it


@pytest.mark.slow
def test_auto_notes_how_long_each_ask_of_the_gaussian_process_took():
    study, _ = make(Auto(startup=4))
    notes: dict[str, Any] = {}
    for _ in range(6):
        number, params, notes = study.ask(Pace(2, 1e6))
        study.tell(number, score(params, 2))
    assert notes["sampler"] == "gp"
    assert notes["seconds"] > 0
    number, _, notes = study.ask(Pace(2, notes["seconds"]))
    assert notes["sampler"] == "evolution"


def test_a_resumed_auto_follows_what_was_written():
    first, _ = make(Auto(startup=2))
    for _ in range(3):
        number, params, _ = first.ask(Pace(64))
        first.tell(number, score(params, 2))
    _, params, notes = first.ask(Pace(64))
    again, _ = make(Auto(startup=2))
    again.add(params, notes)
    for _ in range(3):
        number = again.add(params)
        again.tell(number, score(params, 2))
    assert again.ask(Pace(1))[2]["sampler"] == "evolution"


@pytest.mark.slow
def test_a_broken_model_is_a_violated_constraint_for_the_gaussian_process_too():
    assert Story(*make(Gp())).resume_run(20)
