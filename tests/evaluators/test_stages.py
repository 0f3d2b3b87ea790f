"""Scoring in stages: settings, order, intervals, stops; test_stage_laws.py has the error rates."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.stages import (
    Criterion,
    Reference,
    StagedMetric,
    Stages,
    StageSettings,
    difference,
    race,
    stratified_order,
)

N = 600
RUNS = 400  # of a simulation: a rate of 0.05 has a standard error of 0.011
ACC, BITS, F1 = ("pick", "acc,none"), ("text", "bits_per_byte,none"), ("label", "f1,none")
METRICS = {
    ACC: StagedMetric(ACC),
    BITS: StagedMetric(BITS, scale=30.0),
    F1: StagedMetric(F1, kind="aggregated"),
}


def aggregate(address, values):
    assert address == F1
    gold, found = values.T
    return float(2 * (gold * found).sum() / max(1.0, gold.sum() + found.sum()))


def answers(rng, address, skill, hard, luck=1.0):
    """One model's values on the documents; `hard` is what the documents are for all models."""
    own = skill - hard + luck * rng.standard_normal(len(hard))
    if address == ACC:
        return (own > 0).astype(float)
    if address == BITS:
        return (0.1 * own - 1.0) * (1 + 0.2 * hard)  # log-likelihoods per mean byte
    gold = (np.arange(len(hard)) % 3 == 0).astype(float)
    return np.stack([gold, np.where(own > 0, gold, 1 - gold)], 1)


def criterion(address, **more) -> Criterion:
    return Criterion(address[0], -1 if address == BITS else 1, (METRICS[address],), **more)


def make_stages(models, addresses, sizes=(64, 128, 256, 512), **more) -> Stages:
    return Stages(
        order={address[0]: tuple(range(N)) for address in addresses},
        sizes=sizes,
        criteria=tuple(criterion(address) for address in addresses),
        members=tuple(Reference(i, model) for i, model in enumerate(models)),
        **more,
    )


def run(stages, candidate):
    """The stop, and the documents that were used."""
    used = []

    def score(counts):
        used.append(sum(counts.values()))
        return {address: each[: counts[address[0]]] for address, each in candidate.items()}

    stop = race(stages, score, aggregate)
    return stop, used[-1]


# -- settings and order


def test_off_auto_and_sizes_may_stand_for_the_settings():
    read = StageSettings.model_validate
    assert read("off") == read(False) == StageSettings(sizes="off")  # YAML reads off as False
    assert read([64, 200]).sizes == [64, 200]
    assert read({"sizes": False}).sizes == "off"


@pytest.mark.parametrize("bad", [[], [8, 64], [64, 64], [128, 64], "on", {"confidence": 1.0}])
def test_sizes_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValueError, match=r"sizes|confidence"):
        StageSettings.model_validate(bad)


def test_auto_is_off_where_there_are_few_documents_or_scores_depend_on_their_batch():
    auto = StageSettings()
    assert auto.sizes_for([255, 60]) == ()
    assert auto.sizes_for([256]) == (64, 96, 144, 216)
    assert auto.sizes_for([N, 40]) == (64, 96, 144, 216, 324, 486)
    assert auto.sizes_for([N], sampled=["say"]) == ()
    assert StageSettings(sizes="off").sizes_for([9999]) == ()
    assert StageSettings(sizes=[64, 500, 900]).sizes_for([N]) == (64, 500)


def test_stages_larger_than_every_task_are_an_error_with_both_numbers():
    with pytest.raises(ValueError, match=r"first stage has 128 documents.* more than 95 search"):
        StageSettings(sizes=[128]).sizes_for([95, 90])


@given(st.integers(1, 400), st.integers(0, 2**32), st.booleans())
def test_every_prefix_of_the_order_has_its_share_of_every_stratum(n, seed, has_ties):
    difficulty = np.random.default_rng(seed).random(n)
    difficulty = np.round(difficulty, 1) if has_ties else difficulty
    order = stratified_order(difficulty, [seed, 1])
    assert sorted(order) == list(range(n))
    assert (order == stratified_order(difficulty, [seed, 1])).all()
    if not has_ties:
        strata = np.array_split(np.argsort(difficulty), min(8, n))
        for k in range(n + 1):
            for stratum in strata:
                share = np.isin(order[:k], stratum).sum()
                assert abs(share - k * len(stratum) / n) <= 2


def test_a_prefix_varies_less_than_a_random_sample_of_that_size():
    rng = np.random.default_rng(0)
    hard = rng.standard_normal(N)
    inputs = np.mean([answers(rng, ACC, 0, hard, 0.5) for _ in range(3)], 0)
    candidate = answers(rng, ACC, 0.3, hard, 0.5)
    stratified = [candidate[stratified_order(inputs, [s])][:64].mean() for s in range(RUNS)]
    random = [rng.permutation(candidate)[:64].mean() for _ in range(RUNS)]
    assert np.std(stratified) < 0.75 * np.std(random)
    assert np.mean(stratified) == pytest.approx(candidate.mean(), abs=0.01)


# -- intervals and estimates


@pytest.mark.parametrize("address", [ACC, BITS, F1], ids=lambda a: a[1])
@pytest.mark.parametrize("n", [64, 256])
def test_the_upper_limit_of_a_gain_is_too_low_as_rarely_as_it_says(address, n):
    rng = np.random.default_rng(1)
    too_low = 0
    runs = RUNS // 4 if address == F1 else RUNS
    for _ in range(runs):
        hard = rng.standard_normal(N)
        one, other = (answers(rng, address, skill, hard, 0.4) for skill in (0.0, 0.1))
        whole = difference(criterion(address), {address: one}, {address: other}, aggregate)
        part = difference(criterion(address), {address: one[:n]}, {address: other}, aggregate)
        too_low += part.upper(1.645) < whole.gain
        assert whole.error == 0
    assert too_low / runs <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / runs)


def test_estimates_are_as_near_to_the_score_on_all_documents_as_their_errors_say():
    rng = np.random.default_rng(2)
    off, paired, alone = [], [], []
    for _ in range(RUNS):
        hard = rng.standard_normal(N)
        values = [{ACC: answers(rng, ACC, skill, hard, 0.3)} for skill in (0.0, 0.2, -0.1)]
        candidate = values.pop()
        found = make_stages(values, [ACC]).estimates({ACC: candidate[ACC][:64]}, aggregate)["pick"]
        truth = candidate[ACC].mean()
        off.append((found.value - truth) / found.error)
        paired.append(found.value - truth)
        alone.append(candidate[ACC][:64].mean() - truth)
        assert found.documents == 64
    assert abs(np.mean(off)) < 0.15
    assert np.mean(np.abs(off) < 1.96) >= 0.93
    assert np.std(paired) < 0.8 * np.std(alone)


def test_a_perplexity_is_estimated_on_its_own_scale_and_never_too_good():
    address = ("text", "word_perplexity,none")
    metric = StagedMetric(address)
    lower = Criterion("text", -1, (metric,))
    one, other = np.full(N, -3.0), np.full(N, -2.0)
    found = difference(lower, {address: one[:64]}, {address: other}, aggregate)
    assert found.value == pytest.approx(math.exp(3))
    assert found.gain == pytest.approx(-math.exp(2))  # linear, where it is convex: less of a loss
    assert found.gain > math.exp(2) - math.exp(3)


def test_a_weighted_mean_adds_up_its_metrics():
    other = ("more", "acc,none")
    both = Criterion("both", 1, (StagedMetric(ACC, 0.75), StagedMetric(other, 0.25)))
    rng = np.random.default_rng(3)
    f, c = (
        {ACC: rng.integers(0, 2, N).astype(float), other: rng.integers(0, 2, N).astype(float)}
        for _ in range(2)
    )
    part = {address: values[:100] for address, values in c.items()}
    found = difference(both, part, f, aggregate)
    parts = [
        difference(Criterion("", 1, (StagedMetric(each),)), part, f, aggregate)
        for each in (ACC, other)
    ]
    assert found.gain == pytest.approx(0.75 * parts[0].gain + 0.25 * parts[1].gain)
    assert found.error == pytest.approx(math.hypot(0.75 * parts[0].error, 0.25 * parts[1].error))
    nothing = difference(both, {ACC: part[ACC], other: part[ACC][:0]}, f, aggregate)
    assert nothing.upper(2.0) == math.inf  # one task of two says nothing of their mean


# -- stops


def test_the_stop_says_when_by_whom_and_what_the_scores_would_have_been():
    rng = np.random.default_rng(6)
    hard = rng.standard_normal(N)
    good, bad = ({ACC: answers(rng, ACC, skill, hard, 0.3)} for skill in (1.5, -1.5))
    stop, used = run(make_stages([bad, good], [ACC]), bad)
    assert stop is not None
    assert (stop.stage, stop.winner, stop.documents, used) == (1, 1, 64, 64)
    assert stop.estimates["pick"].value == pytest.approx(bad[ACC].mean(), abs=1e-12)


def test_a_candidate_that_is_better_in_one_criterion_is_never_stopped():
    rng = np.random.default_rng(7)
    hard = {a: rng.standard_normal(N) for a in (ACC, BITS)}
    member = {a: answers(rng, a, 1.0, hard[a], 0.3) for a in hard}
    candidate = {ACC: np.zeros(N), BITS: member[BITS] + 0.05}
    assert run(make_stages([member], [ACC, BITS]), candidate) == (None, 2 * N)


def test_equal_answers_stop_nothing_unless_a_tolerance_says_that_they_are_not_wanted():
    rng = np.random.default_rng(8)
    same = {ACC: answers(rng, ACC, 0.0, rng.standard_normal(N))}
    stages = make_stages([same], [ACC])
    assert run(stages, same) == (None, N)
    tolerant = replace(stages, criteria=(criterion(ACC, tolerance=0.1),))
    assert run(tolerant, same)[0] is not None


def test_a_tie_on_a_task_that_is_scored_completely_keeps_no_loser_alive():
    rng = np.random.default_rng(9)
    few = ("few", "acc,none")
    stages = make_stages([], [ACC])
    values = {few: np.ones(20), ACC: np.ones(N)}
    stages = replace(
        stages,
        order={**stages.order, "few": tuple(range(20))},
        criteria=(*stages.criteria, Criterion("few", 1, (StagedMetric(few),))),
        members=(Reference(0, values),),
    )
    candidate = {few: np.ones(20), ACC: (rng.random(N) < 0.3).astype(float)}
    stop, used = run(stages, candidate)
    assert stop is not None
    assert used == 84
    assert run(stages, values) == (None, N + 20)


def test_expensive_tasks_wait_until_a_member_is_ahead_in_all_others():
    rng = np.random.default_rng(10)
    hard = {a: rng.standard_normal(N) for a in (ACC, BITS)}
    member = {a: answers(rng, a, 1.0, hard[a], 0.3) for a in hard}
    asked = []

    def score(candidate):
        def to(counts):
            asked.append((counts["text"], counts["pick"]))
            return {a: each[: counts[a[0]]] for a, each in candidate.items()}

        return to

    stages = make_stages([member], [ACC, BITS], sizes=(64, 256), late=frozenset(["pick"]))
    good_at_text = {ACC: np.zeros(N), BITS: member[BITS] + 0.05}
    assert race(stages, score(good_at_text), aggregate) is None
    assert asked == [(64, 0), (256, 0), (N, 0), (N, 64), (N, 256), (N, N)]
    asked.clear()
    bad = {a: answers(rng, a, -1.0, hard[a], 0.3) for a in hard}
    stop = race(stages, score(bad), aggregate)
    assert stop is not None
    assert asked == [(64, 0), (64, 64)]


def test_the_tasks_of_a_group_share_the_documents_of_a_stage():
    order = {"one": tuple(range(300)), "two": tuple(range(100)), "other": tuple(range(400))}
    stages = Stages(order, (64,), (), (), shares={"one": 0.75, "two": 0.25})
    assert [stages.count(task, 0) for task in order] == [48, 16, 64]
    assert [stages.count(task, 1) for task in order] == [300, 100, 400]
    assert [stages.count(task, -1) for task in order] == [0, 0, 0]
