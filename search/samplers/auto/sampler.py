"""The default sampler: a Gaussian process over the coefficients of merges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from search.objectives import MARGIN, Losses, front, reference_point
from search.samplers.auto.acquisition import HypervolumeGain, expected_improvement
from search.samplers.auto.candidates import Candidates
from search.samplers.auto.gaussian_process import (
    Array,
    GaussianProcess,
    fitted_scales,
    noise_of,
)
from search.samplers.auto.observations import Observations, best
from search.samplers.encoding import Encoding, Rows
from search.samplers.joint_sampler import JointSampler
from search.samplers.trial_seed import trial_seed

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

    from search.samplers.problem import Blocks, Problem

Score = Callable[[Rows], NDArray[np.float64]]
"""How much each candidate is expected to improve the results."""

Acquisition = Callable[[Losses, Losses], NDArray[np.float64]]
"""The same from expected losses and their deviations."""

FEWEST = 4  # trials with scores before the Gaussian process; until then points are random
MOST = 192  # trials that the process is fitted to, the best ones
REFIT = 1.1  # growth of the number of trials after which length scales are fitted again
RANDOM, NEAR, REFINED, ROUNDS, LEADERS = 400, 600, 160, 2, 8  # candidates of an ask
NUMBERS = 2**16  # numbers of all random and near candidates at most: bounds the time of an ask
TOP = 10  # trials of the best mean whose neighbourhood is searched beside that of the front
MEAN_EVERY = 3  # every third ask looks for the best mean instead of a larger front
BEHIND = 0.5  # slope of the logarithm by which losses behind the reference point go on

SCALES, TRIALS, GOAL = "scales", "trials", "goal"  # notes of an ask


class AutoSampler(JointSampler):
    """Proposes the candidate that is expected to improve the results most.

    A Gaussian process learns losses from the problem's features: how much of each model is in the
    merge, where, and how sparse. Of some thousand candidates, random ones and changes of the
    best trials, the one is proposed that is expected to add most to the hypervolume or, in every
    third ask, to improve the mean of the objectives most. Running trials count as scored as
    expected, broken ones as bad; values that are estimates count as far as their errors allow, and
    are never the best. Only the trials, the seed and the trial's number decide; length
    scales are noted with the proposal that they were fitted for, so a resumed search continues
    identically.

    Args:
        problem: what to search.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.distributions)
        self._problem = problem
        self._encoding = Encoding(problem.distributions)
        self._observations = Observations(self._encoding)
        self._scales: Array | None = None
        self._fitted = 0  # trials that the length scales were fitted to
        self.note: dict[str, Any] = {}
        """What belongs to the trial that was asked for last."""

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The next point."""
        self.note = {}
        if not search_space:
            return {}
        rng = np.random.default_rng(trial_seed(self._problem.seed, trial.number))
        candidates = Candidates(self._encoding, rng)
        seen = self._observations
        seen.update(study, trial.number)
        if seen.is_feasible.sum() < FEWEST:
            return self._encoding.params(candidates.random(1)[0])
        kept = best(seen.losses, seen.is_feasible, MOST)
        points, feasible, errors = seen.points[kept], seen.is_feasible[kept], seen.errors[kept]
        exact = _exact(feasible, errors)
        losses, slopes, units = self._normalised(seen.losses[kept], feasible, exact)
        noise = noise_of(losses, errors * slopes)
        process = self._process(points, losses, noise, feasible)
        acquisition = self._acquisition(losses[exact], units, trial.number, rng)
        leaders = _leaders(points[exact], losses[exact])

        def score(rows: Rows) -> NDArray[np.float64]:
            expected, deviation = process.predict(self._blocks(rows))
            # as likely broken as not is worth nothing: a broken trial teaches little
            trust = np.clip(1.0 - 2.0 * expected[:, -1], 0.0, 1.0) ** 2
            return acquisition(expected[:, :-1], deviation[:, :-1]) * trust

        return self._encoding.params(self._best_candidate(candidates, leaders, score))

    def restore(self, study: Study, number: int, note: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Restores the length scales from a trial's notes."""
        if SCALES in note:
            self._scales, self._fitted = np.array(note[SCALES]), note[TRIALS]

    def _normalised(
        self, losses: Losses, is_feasible: NDArray[np.bool_], is_exact: NDArray[np.bool_]
    ) -> tuple[Losses, Losses, NDArray[np.float64]]:
        """Losses on a scale on which the front's ideal point is 0 and a reference point is 1.

        The reference point is that of the front or, where it is nearer, of base and models. Behind
        it losses grow slowly, so that very bad merges do not hide the differences between good
        ones; a broken merge counts as one that is twice as far away.

        Returns:
            The losses, the slope of the scale at each, and how much each column counts in the mean
            over the objectives.
        """
        good = losses[is_exact]
        ideal, reference = good.min(0), reference_point(good)
        span = reference - ideal
        if len(inputs := self._observations.inputs) > 1:
            width = np.ptp(inputs, axis=0)
            worst = inputs.max(0) + MARGIN * width
            reference = np.where(worst > ideal, np.minimum(reference, worst), reference)
            span = np.where(width > 0, width, span)
        scaled = (losses - ideal) / (reference - ideal)
        beyond = np.where(is_feasible[:, None], np.maximum(scaled - 1.0, 0.0), 1.0)
        found = np.where(beyond > 0, 1.0 + BEHIND * np.log1p(beyond), scaled)
        slopes = np.where(beyond > 0, BEHIND / (1.0 + beyond), 1.0) / (reference - ideal)
        return found, slopes, (reference - ideal) / span

    def _process(
        self, points: Rows, losses: Losses, noise: Array, is_feasible: NDArray[np.bool_]
    ) -> GaussianProcess:
        """The process of the finished trials, in which running ones score as expected.

        Its last column is the probability that a merge is broken, learned as a loss of 0 or 1.
        """
        blocks = self._blocks(points)
        if self._scales is None or len(points) >= REFIT * self._fitted:
            self._scales = fitted_scales(blocks, losses, noise, self._scales)
            self._fitted = len(points)
            self.note |= {SCALES: self._scales.tolist(), TRIALS: self._fitted}
        columns = np.column_stack([losses, ~is_feasible])
        process = GaussianProcess(blocks, columns, self._scales, noise)
        running = self._observations.running
        return process.with_pending(self._blocks(running)) if len(running) else process

    def _acquisition(
        self, losses: Losses, units: NDArray[np.float64], number: int, rng: np.random.Generator
    ) -> Acquisition:
        """What this ask looks for: the best mean, or a larger front."""
        n_objectives = losses.shape[1]
        given = self._problem.weights
        weights = units * (given or [1.0] * n_objectives)
        weights /= weights.sum()
        if given or n_objectives == 1 or number % MEAN_EVERY == 0:
            self.note[GOAL] = "mean"
            known = float((losses @ weights).min())
            return partial(expected_improvement, weights=weights, best=known)
        self.note[GOAL] = "hypervolume"
        return HypervolumeGain(losses[front(losses)], rng)

    def _best_candidate(self, candidates: Candidates, leaders: Rows, score: Score) -> Rows:
        share = min(1.0, NUMBERS / ((RANDOM + NEAR) * len(self._encoding)))
        rows = np.concatenate(
            [
                candidates.random(max(1, int(share * RANDOM))),
                candidates.near(leaders, max(1, int(share * NEAR))),
            ]
        )
        scores = score(rows)
        for _ in range(ROUNDS):
            ahead = rows[np.argsort(-scores, kind="stable")[:LEADERS]]
            more = candidates.near(ahead, max(1, int(share * REFINED)), reach=0.4)
            rows, scores = np.concatenate([rows, more]), np.append(scores, score(more))
        return np.asarray(rows[int(np.argmax(scores))])

    def _blocks(self, rows: Rows) -> Blocks:
        features = self._problem.features
        if features is None:
            return self._encoding.blocks(rows)
        return features(*self._encoding.decoded(rows))


def _exact(is_feasible: NDArray[np.bool_], errors: Losses) -> NDArray[np.bool_]:
    """The trials that may be the best: those without an estimate, as long as there is one."""
    found = is_feasible & ~errors.any(1)
    return found if found.any() else is_feasible


def _leaders(points: Rows, losses: Losses) -> Rows:
    """The trials on the front, and those with the best mean."""
    on_front = np.zeros(len(points), dtype=np.bool_)
    on_front[front(losses)] = True
    top = np.argsort(losses.mean(1), kind="stable")[:TOP]
    return np.concatenate([points[top], points[on_front]])
