"""The parts of the default sampler: its process, what it looks for, and its candidates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad
from scipy.stats import norm

from search.objectives import hypervolume
from search.samplers import Auto, Study
from search.samplers.auto import gaussian_process
from search.samplers.auto.acquisition import HypervolumeGain, expected_improvement
from search.samplers.auto.candidates import Candidates
from search.samplers.auto.gaussian_process import GaussianProcess, fitted_scales, noise_of
from search.samplers.auto.sampler import _exact
from search.samplers.encoding import Encoding
from search.samplers.study import distribution_of
from search.space import MergeFeatures
from tests.search.conftest import make_space

SPACE = make_space(
    "linear", "slerp", "task_arithmetic", "ties", "dare_ties", membership=True, depth={"groups": 2}
)
QUIET = np.array([0.0, -12.0])  # length scale 1, no noise


def points(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(seed).random((n, 3))}


def test_the_process_passes_through_what_it_learned_and_doubts_what_is_far():
    blocks, losses = points(20), np.random.default_rng(1).normal(size=(20, 2))
    process = GaussianProcess(blocks, losses, QUIET, np.zeros(20))
    expected, deviation = process.predict(blocks)
    assert expected == pytest.approx(losses, abs=1e-2)
    far, doubt = process.predict({"x": np.full((1, 3), 50.0)})
    assert far == pytest.approx(losses.mean(0)[None])
    assert (doubt > 10 * deviation).all()


def test_pending_points_change_no_expectation_but_leave_less_doubt():
    blocks, losses = points(12), np.random.default_rng(1).normal(size=(12, 1))
    process = GaussianProcess(blocks, losses, QUIET, np.zeros(12))
    more = points(3, seed=5)
    before, doubt = process.predict(more)
    after, less = process.with_pending(more).predict(more)
    assert after == pytest.approx(before, abs=0.05)
    assert (less < doubt).all()


def test_the_process_believes_an_estimate_as_far_as_its_error_allows():
    blocks, losses = points(20), np.zeros((20, 2))
    losses[3] = 5.0
    noise = noise_of(losses, np.where(np.arange(20)[:, None] == 3, 2.0, 0.0) * np.ones((20, 2)))
    assert noise[3] == pytest.approx((2.0 / losses[:, 0].std()) ** 2)
    assert not np.delete(noise, 3).any()
    here = {"x": blocks["x"][3:4]}
    sure, doubtful = (
        GaussianProcess(blocks, losses, QUIET, each).predict(here) for each in (0 * noise, noise)
    )
    assert sure[0] == pytest.approx(5.0, abs=0.1)
    assert (doubtful[0] < 2.5).all()
    assert (doubtful[1] > 5 * sure[1]).all()


def asked(losses: list[list[float]], errors: dict[int, list[float]]) -> list[dict]:
    """The next points of a study that knows 12 random trials with these losses."""
    study = Study(Auto(), SPACE.axes, ["minimize"] * 2, 0)
    rng = np.random.default_rng(5)
    encoding = Encoding({name: distribution_of(axis) for name, axis in SPACE.axes.items()})
    for i, row in enumerate(Candidates(encoding, rng).random(len(losses))):
        study.add(encoding.params(row))
        study.tell(i, losses[i], errors=errors.get(i))
    return [study.ask()[1] for _ in range(2)]


def test_how_sure_an_estimate_is_decides_what_is_learnt_of_it():
    losses = np.random.default_rng(1).uniform(1.0, 2.0, (12, 2)).tolist()
    losses[7] = [2.0, 2.0]
    certain, vague = (asked(losses, {7: [error] * 2}) for error in (1e-9, 1.0))
    assert certain == asked(losses, {7: [1e-9] * 2})
    assert certain != vague


def test_an_estimate_is_not_among_the_best_unless_there_is_nothing_else():
    feasible, errors = np.array([True, True, False]), np.array([[0.0], [0.3], [0.0]])
    assert _exact(feasible, errors).tolist() == [True, False, False]
    assert _exact(feasible[1:], errors[1:]).tolist() == [True, False]


def test_the_gradient_of_the_likelihood_is_that_of_finite_differences():
    rows, losses = points(15)["x"], np.random.default_rng(2).normal(size=(15, 2))
    squares = [gaussian_process._squares(rows[:, :2], rows[:, :2])]
    squares.append(gaussian_process._squares(rows[:, 2:], rows[:, 2:]))
    noise = np.linspace(0.0, 0.5, 15)

    def both(scales):
        return gaussian_process._negative_log_likelihood(scales, squares, losses, noise)

    at = np.array([-0.3, 0.4, -2.0])
    assert check_grad(lambda x: both(x)[0], lambda x: both(x)[1], at) < 1e-4


def test_a_block_that_decides_nothing_gets_a_long_length_scale():
    random = np.random.default_rng(0)
    matters, idle = random.random((80, 1)), random.random((80, 1))
    losses = np.sin(6 * matters)
    scales = fitted_scales({"matters": matters, "idle": idle}, losses, np.zeros(80))
    assert scales[1] > scales[0] + 1.0


def test_expected_improvement_is_the_mean_of_sampled_improvements():
    expected, deviation = np.array([[0.3, 0.5]]), np.array([[0.2, 0.1]])
    weights = np.array([0.25, 0.75])
    draws = np.random.default_rng(0).normal(expected, deviation, (200_000, 2)) @ weights
    sampled = np.maximum(0.45 - draws, 0.0).mean()
    assert expected_improvement(expected, deviation, weights, 0.45) == pytest.approx(
        [sampled], rel=0.02
    )


def test_hypervolume_gain_ranks_candidates_as_sampled_gains_do():
    random = np.random.default_rng(3)
    front = np.array([[0.2, 0.8], [0.5, 0.4], [0.9, 0.1]])
    expected, deviation = random.random((12, 2)), random.uniform(0.02, 0.3, (12, 2))
    reference, known = np.ones(2), hypervolume(front, np.ones(2))
    sampled = [
        np.mean(
            [
                hypervolume(np.vstack([front, row]), reference) - known
                for row in random.normal(mean, spread, (400, 2))
            ]
        )
        for mean, spread in zip(expected, deviation, strict=True)
    ]
    gain = HypervolumeGain(front, np.random.default_rng(0))(expected, deviation)
    assert np.corrcoef(np.argsort(np.argsort(gain)), np.argsort(np.argsort(sampled)))[0, 1] > 0.9


def test_of_one_objective_the_gain_is_the_expected_improvement():
    front, expected = np.array([[0.4]]), np.array([[0.3], [0.5], [0.7]])
    deviation = np.full((3, 1), 0.1)
    gain = HypervolumeGain(front, np.random.default_rng(0))(expected, deviation)
    u = (0.4 - expected[:, 0]) / 0.1
    exact = 0.1 * (u * norm.cdf(u) + norm.pdf(u))
    assert gain[1] / gain[0] == pytest.approx(exact[1] / exact[0], rel=0.1)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_candidates_lie_in_the_space(seed):
    encoding = Encoding({name: distribution_of(axis) for name, axis in SPACE.axes.items()})
    candidates = Candidates(encoding, np.random.default_rng(seed))
    some = candidates.random(5)
    for row in np.concatenate([some, candidates.near(some, 10), candidates.near(some, 5, 0.4)]):
        params = encoding.params(row)
        assert all(SPACE.axes[name].holds(value) for name, value in params.items())


# -- the features of a merge


def embedded(*params: dict) -> dict[str, np.ndarray]:
    encoding = Encoding({name: distribution_of(axis) for name, axis in SPACE.axes.items()})
    rows = np.array([encoding.row(each) for each in params])
    return MergeFeatures(SPACE)(*encoding.decoded(rows))


def point(method: str, weight: dict[str, float], **more) -> dict:
    params = {name: axis.centre for name, axis in SPACE.axes.items()}
    params |= {"method": method, **{key: value for key, value in more.items() if key != "lambda_"}}
    params |= {"lambda": more.get("lambda_", 1.0)}
    for name in params:
        for model, value in weight.items():
            if name.startswith(f"weight[{model}]"):
                params[name] = value
        if name.partition(".")[0] == "t":
            params[name] = more.get("t", 0.5)
    return {name: params[name] for name in SPACE.axes}


def test_methods_that_add_the_same_of_each_model_have_the_same_coefficients():
    half = {"include[c]": False, "pair": "a+b"}
    blocks = embedded(
        point("slerp", {}, t=0.5, **half),
        point("linear", {"a": 1.0, "b": 1.0, "c": 1.0}, **half),
        point("task_arithmetic", {"a": 0.5, "b": 0.5, "c": 1.0}, **half),
        point("ties", {"a": 1.5, "b": 1.5, "c": 0.2}, **half),
    )
    for row in blocks["coefficients"]:
        assert row == pytest.approx(np.log1p([0.5, 0.5, 0.0]))
    assert blocks["variation"] == pytest.approx(0.0)


def test_what_a_method_ignores_changes_no_feature():
    one = point("linear", {"a": 1.0, "b": 0.5, "c": 1.0})
    other = {**one, "lambda": 2.5, "pair": "b+c"}
    other |= {name: 0.1 for name in one if name.startswith("density")}
    other |= {name: 0.9 for name in one if name.partition(".")[0] == "t"}
    for block in embedded(one, other).values():
        assert block[0] == pytest.approx(block[1])


def test_a_density_counts_only_as_far_as_its_model_takes_part():
    dense = point("ties", {"a": 1.0, "b": 1.0, "c": 0.0})
    sparse = {**dense, "density[c]": 0.1}
    for block in embedded(dense, sparse).values():
        assert block[0] == pytest.approx(block[1])
    one, other = embedded(dense, {**dense, "density[a]": 0.1})["density"]
    assert (one != other).any()
