"""The statistics of a verdict: against hand-worked values, scipy and simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from search.objectives import Metric, Objective
from search.results.document_scores import DocumentScores, document_scores, jackknife
from search.results.interval import half_width, interval, standard_error
from search.results.paired_test import PairedTest, holm, mcnemar, paired_test
from search.results.shrinkage import shrink
from search.results.verdict import verdict

ACC = Objective.of("picks", "pick", "acc,none", "maximize")
BITS = Objective.of("text", "text", "bits_per_byte,none", "minimize")
RUNS = 400  # of a simulation: a rate of 0.95 has a standard error of 0.011
VERDICTS = 100


def of_values(values) -> DocumentScores:
    values = [float(each) for each in values]
    found = document_scores(
        ACC, math.fsum(values) / len(values), {"pick": {("acc", "none"): values}}
    )
    assert found is not None
    return found


def bits(pairs) -> DocumentScores:
    pairs = [list(map(float, each)) for each in pairs]
    score = -sum(a for a, _ in pairs) / sum(b for _, b in pairs) / math.log(2)
    found = document_scores(BITS, score, {"text": {("bits_per_byte", "none"): pairs}})
    assert found is not None
    return found


def test_mcnemar_of_eight_wins_and_two_losses():
    one, other = np.array([1] * 8 + [0] * 2 + [1] * 5), np.array([0] * 8 + [1] * 2 + [1] * 5)
    assert mcnemar(one, other) == pytest.approx(2 * (1 + 10 + 45) / 2**10)
    assert mcnemar(one, one) == 1


def test_holm_of_four_p_values():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_lies_between_the_p_values_and_bonferroni_and_keeps_their_order(p_values):
    corrected = holm(p_values)
    for p, q in zip(p_values, corrected, strict=True):
        assert p <= q <= min(1, len(p_values) * p) or math.isclose(q, len(p_values) * p)
    order = np.argsort(p_values, kind="stable")
    assert list(np.array(corrected)[order]) == sorted(corrected)


def test_the_paired_t_test_and_its_interval_are_those_of_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.random(30), rng.random(30)
    found, expected = paired_test(of_values(a), of_values(b)), stats.ttest_rel(a, b)
    assert (found.test, found.p_value) == ("paired t", pytest.approx(expected.pvalue))
    low, high = expected.confidence_interval(0.95)
    assert found.interval == (pytest.approx(low), pytest.approx(high))


def test_the_interval_of_a_share_is_wilsons():
    values = [1.0] * 45 + [0.0] * 5
    expected = stats.binomtest(45, 50).proportion_ci(method="wilson")
    assert interval(of_values(values)) == (
        pytest.approx(expected.low),
        pytest.approx(expected.high),
    )
    assert interval(of_values([1.0] * 20))[0] < 0.9  # twenty of twenty do not prove all


def test_the_influences_on_bits_per_byte_are_the_derivatives_of_the_ratio():
    log2 = math.log(2)
    found = bits([(-4 * log2, 2), (-2 * log2, 2)])
    assert found.score == pytest.approx(1.5)
    assert found.influences["text"] == pytest.approx([0.5, -0.5])  # (bits - 1.5 * bytes) / 2
    assert found.binary is None


@pytest.mark.parametrize("metric", ["bits_per_byte", "word_perplexity", "byte_perplexity"])
def test_the_delta_method_agrees_with_the_jackknife(metric):
    rng = np.random.default_rng(1)
    sizes = rng.integers(20, 60, 90).astype(float)
    logs = -sizes * (1 + 0.1 * rng.standard_normal(90))

    def value(keep) -> float:
        ratio = logs[keep].sum() / sizes[keep].sum()
        return -ratio / math.log(2) if metric == "bits_per_byte" else math.exp(-ratio)

    everything = np.arange(90)
    raw = {"text": {(metric, "none"): np.stack([logs, sizes], 1).tolist()}}
    objective = Objective.of("text", "text", f"{metric},none", "minimize")
    delta = document_scores(objective, value(everything), raw)
    left_out = jackknife(
        value(everything), {"text": 90}, lambda _, ids: value(np.delete(everything, ids))
    )
    assert delta is not None
    assert standard_error(left_out.influences)[0] == pytest.approx(
        standard_error(delta.influences)[0], rel=0.02
    )


def test_the_jackknife_of_a_mean_has_its_standard_error_and_ignores_other_tasks():
    values = np.random.default_rng(2).random(250)  # more than there are blocks
    found = jackknife(
        values.mean(),
        {"pick": 250, "other": 9},
        lambda task, ids: np.delete(values, ids if task == "pick" else []).mean(),
    )
    assert set(found.influences) == {"pick"}
    assert standard_error(found.influences)[0] == pytest.approx(
        values.std(ddof=1) / math.sqrt(250), rel=0.2
    )


def test_a_score_with_an_aggregation_of_its_own_is_not_taken_for_a_mean():
    raw = {"pick": {("acc", "none"): [0.0, 0.0, 1.0]}}
    assert document_scores(ACC, 0.0, raw) is None  # the median
    pairs = {"pick": {("acc", "none"): [["a", "b"], ["b", "b"]]}}
    assert document_scores(ACC, 0.5, pairs) is None
    assert document_scores(ACC, 0.5, {}) is None  # a group, which has no documents itself


def test_a_weighted_mean_of_tasks_adds_up_their_variances():
    metrics = (Metric("one", "acc,none", 3.0), Metric("two", "acc,none", 1.0))
    objective = Objective("both", "maximize", metrics)
    one, two = np.arange(10.0), np.arange(20.0) ** 2
    raw = {"one": {("acc", "none"): list(one)}, "two": {("acc", "none"): list(two)}}
    found = document_scores(objective, 0.75 * one.mean() + 0.25 * two.mean(), raw)
    assert found is not None
    expected = math.hypot(0.75 * stats.sem(one), 0.25 * stats.sem(two))
    assert standard_error(found.influences)[0] == pytest.approx(expected)


def test_one_document_proves_nothing_and_equal_answers_prove_no_equality():
    alone = paired_test(bits([(-3, 2)]), bits([(-1, 2)]))
    assert (alone.p_value, alone.half_width) == (1.0, math.inf)
    (found,) = verdict([BITS], {"text": 2.0}, {"text": bits([(-3, 2)])}, {})
    assert found.to_json()["interval"] is None
    same = paired_test(of_values([1, 0] * 10), of_values([1, 0] * 10))
    assert (same.difference, same.p_value) == (0, 1)
    assert same.half_width > 0.05


def test_scores_of_different_documents_are_refused():
    with pytest.raises(ValueError, match="task pick: scores of 3 and of 2 documents"):
        paired_test(of_values([1, 0, 1]), of_values([1, 0]))


def draw_bits(rng, loss: float) -> list[tuple[float, float]]:
    sizes = rng.integers(5, 200, 60)
    return [(-n * (loss + 0.3 * rng.standard_normal()), n) for n in sizes]


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(3)
    share, ratio, paired = 0, 0, 0
    for _ in range(RUNS):
        both = rng.random((80, 2)) < [0.7, 0.6]
        one, other = of_values(both[:, 0]), of_values(both[:, 1])
        share += _covers(interval(one), 0.7)
        paired += _covers(paired_test(one, other).interval, 0.1)
        ratio += _covers(interval(bits(draw_bits(rng, 1.0))), 1 / math.log(2))
    for covered in (share, ratio, paired):
        assert 0.93 <= covered / RUNS <= 0.97


def test_equal_models_are_rarely_called_different():
    """Of ten comparisons of equal models, any is called different in at most 5 % of verdicts."""
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(VERDICTS):
        hard = rng.random(100)  # documents are equally hard for all
        makes = [of_values(rng.random(100) < hard) for _ in range(6)]
        texts = [bits(draw_bits(rng, 1.0)) for _ in range(6)]
        rows = [{"picks": a, "text": b} for a, b in zip(makes, texts, strict=True)]
        scores = {name: each.score for name, each in rows[0].items()}
        found = verdict([ACC, BITS], scores, rows[0], dict(zip("bcdef", rows[1:], strict=True)))
        results = [each.result for one in found for each in one.comparisons.values()]
        wrong += any(result != "not distinguishable" for result in results)
    assert wrong / VERDICTS <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / VERDICTS)


def _covers(bounds: tuple[float, float], truth: float) -> bool:
    return bounds[0] <= truth <= bounds[1]


def simulated_front(rng, skill, documents: int) -> list[DocumentScores]:
    """Candidates on shared documents: each document's difficulty is common to all."""
    common = rng.standard_normal(documents)
    own = rng.standard_normal((len(skill), documents))
    return [of_values(each + common + 0.5 * noise) for each, noise in zip(skill, own, strict=True)]


def test_shrunk_scores_are_nearer_to_the_truth_than_either_set_alone():
    rng = np.random.default_rng(5)
    errors = np.zeros(3)
    for _ in range(60):
        skill = np.repeat(np.linspace(0, 0.3, 8), 8) + 0.03 * rng.standard_normal(64)
        search = simulated_front(rng, skill, 180)
        scores = np.array([each.score for each in search]).reshape(8, 8)
        best = scores.argmax(1) + 8 * np.arange(8)  # of each neighbourhood: partly by chance
        chosen, skill = [search[i] for i in best], skill[best]
        selection = simulated_front(rng, skill, 60)
        both = [[each.score for each in some] for some in (chosen, selection)]
        for i, scores in enumerate([*both, shrink(chosen, selection)]):
            rank_error = (scores - np.mean(scores)) - (skill - skill.mean())
            errors[i] += np.square(rank_error).sum()
    assert errors[2] < errors[0]
    assert errors[2] < errors[1]


def test_one_candidate_has_its_selection_score():
    found = shrink([of_values([1, 1, 1, 0])], [of_values([1, 0])])
    assert found == pytest.approx([0.5])


def test_the_sentence_names_what_is_better_worse_and_unclear():
    rng = np.random.default_rng(6)
    level = {"pick": 0.8, "base": 0.3, "a": 0.5, "b": 0.79, "uniform soup": 0.4}
    rows = {k: {"picks": of_values(rng.random(300) < p)} for k, p in level.items()}
    candidate = rows.pop("pick")
    (found,) = verdict([ACC], {"picks": 0.9}, candidate, rows)
    least = found.comparisons["a"].test
    number = f"{least.difference:+.4f} ± {least.half_width:.4f}"
    assert found.sentence == (
        f"picks: better than the base, a and the uniform soup ({number} to a), "
        "not distinguishable from b"
    )
    rows.pop("b")
    (found,) = verdict([ACC], {"picks": 0.9}, candidate, rows)
    assert found.sentence.startswith("picks: better than every input model and the uniform soup (+")
    (worse,) = verdict([ACC], {"picks": 0.9}, rows["base"], {"a": rows["a"]})
    assert worse.sentence.startswith("picks: worse than a (-")
    assert found.to_json()["gap"] == pytest.approx(candidate["picks"].score - 0.9)


def test_lower_is_better_where_the_objective_says_so():
    rng = np.random.default_rng(7)
    good, bad = bits(draw_bits(rng, 0.5)), bits(draw_bits(rng, 1.5))
    (found,) = verdict([BITS], {"text": 0.7}, {"text": good}, {"a": {"text": bad}})
    assert found.comparisons["a"].result == "better"
    assert found.comparisons["a"].test.difference == pytest.approx(bad.score - good.score)


def test_the_half_width_is_students():
    assert half_width(2.0, 9) == pytest.approx(2 * 2.262157, rel=1e-6)
    assert PairedTest(1.0, 0.25, 0.01, "paired t").interval == (0.75, 1.25)
