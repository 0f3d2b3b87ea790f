"""The bench of live families: simulated workers, the maths of its tables, and one real family."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from scripts.live import bench, skills
from scripts.live.best import best
from scripts.live.families import FAMILIES, QWEN2_PAIR
from scripts.live.family import Task, Training
from scripts.live.record import Record, RecordFile, curves, record
from scripts.live.replay import Replay, SlowAskError
from scripts.live.score_file import Score, ScoreFile
from scripts.live.table import by_sampler, comparison, family_table, method_table, ratios
from scripts.simulation import finished
from search.driver import baselines
from search.objectives import Objective, losses, normalised
from search.samplers import Cmaes, Random
from search.space import Space
from workers.recipe import Source

OBJECTIVES = [Objective.of("a", "a", "acc", "maximize"), Objective.of("b", "b", "acc", "maximize")]
ANCHORS = np.array([[0.0, 0.0], [-0.9, 0.0], [0.0, -0.9]])


def space() -> Space:
    models = {name: Source(f"/models/{name}") for name in ("a", "b")}
    return Space(("linear", "task_arithmetic"), models, Source("/models/base"), 4)


def score(recipe) -> Score:
    """Each model alone is good at its own objective; what is heavy is broken."""
    if recipe.method == "passthrough":
        (name,) = recipe.models
        return Score("scored", {each: 0.9 * (each == name) for each in "ab"})
    weights = recipe.groups[0].parameters["weight"]
    if sum(weights.values()) > 1.8:
        return Score("broken", cause="too heavy")
    return Score("scored", {each: 0.9 * weights.get(each, 0.0) for each in "ab"})


def replay(sampler=None, seed: int = 0, workers: int = 4, **others) -> Replay:
    given = space()
    return Replay(
        given, OBJECTIVES, baselines(given), score, ANCHORS, sampler or Random(), seed, workers,
        **others,
    )  # fmt: skip


def test_one_worker_finishes_in_the_order_of_beginning():
    numbers = itertools.count()
    assert list(finished(1, 5, lambda: next(numbers), lambda _: 1.0)) == [0, 1, 2, 3, 4]


def test_no_more_candidates_are_under_way_than_there_are_workers():
    begun, done = [], []

    def begin() -> int:
        assert len(begun) - len(done) < 3
        begun.append(len(begun))
        return begun[-1]

    random = np.random.default_rng(0)
    for number in finished(3, 20, begin, lambda _: random.random()):
        done.append(number)
        assert len(begun) - len(done) <= 2
    assert sorted(done) == list(range(20))


def test_a_candidate_that_needs_no_worker_is_finished_at_once():
    numbers, seconds = itertools.count(), [5.0, 0.0, 1.0]
    assert list(finished(2, 3, lambda: next(numbers), seconds.__getitem__)) == [1, 2, 0]


def test_a_replay_depends_on_its_seed_alone():
    one, same, other = (replay(seed=seed).run(40) for seed in (0, 0, 1))
    assert [trial.proposal for trial in one] == [trial.proposal for trial in same]
    assert [trial.proposal for trial in one] != [trial.proposal for trial in other]


def test_every_replay_begins_with_the_baselines_and_a_broken_one_counts():
    trials = replay(workers=1).run(30)
    labels = [trial.label for trial in trials if trial.label]
    assert [trial.label for trial in trials][: len(labels)] == labels
    assert labels[:4] == ["base", "a", "b", "uniform soup"]
    assert len(trials) == 30
    assert {trial.state for trial in trials} >= {"scored", "broken"}


def test_cmaes_searches_several_objectives_by_their_mean():
    assert len(replay(Cmaes()).run(40)) == 40


def test_a_sampler_that_asks_too_long_is_stopped():
    with pytest.raises(SlowAskError, match="ask 1 took"):
        replay(ask_limit=0.0).run(40)


def test_curves_never_fall_and_end_at_the_best_of_the_same_scores():
    trials = replay().run(60)
    hypervolumes, means = curves(OBJECTIVES, trials)
    assert len(hypervolumes) == len(means) == 60
    assert hypervolumes == sorted(hypervolumes)
    known = best(OBJECTIVES, ANCHORS, [trial.scores for trial in trials if trial.scores])
    assert known.hypervolume == pytest.approx(hypervolumes[-1])
    assert known.mean == pytest.approx(means[-1])


def test_a_sampler_is_held_against_the_best_other_one():
    assert ratios({"a": 2.0, "b": 1.0, "c": 4.0}) == {"a": 0.5, "b": 0.25, "c": 2.0}
    assert ratios({"a": 2.0}) == {}


def made_up(sampler: str, seed: int, hypervolume: float, count: int = 60) -> Record:
    return Record(
        "soup", "digest", sampler, seed, count,
        states=["broken", *["scored"] * (count - 1)],
        methods=[None, *["linear"] * (count // 2 - 1), *["ties"] * (count // 2)],
        scores=[None, *[{"a": 1.0}] * (count - 1)],
        hypervolume=[hypervolume] * count,
        mean=[None, *[0.5] * (count - 1)],
        ask_seconds=[0.25],
    )  # fmt: skip


def test_tables_show_medians_regrets_and_why_a_sampler_is_left_out():
    records = [made_up("auto", seed, 1.0 + seed) for seed in range(3)]
    records += [made_up("random", 0, 1.0), Record("soup", "digest", "gp", 0, 60, "too slow")]
    rows = by_sampler(records, "soup", ["auto", "random", "gp", "tpe"])
    known = best(OBJECTIVES[:1], np.array([[0.0], [-1.0]]), [{"a": 3.9}])
    lines = family_table("soup", rows, known).splitlines()
    assert lines[2].split() == [
        "auto", "3", "2.0000", "2.0000", "0.500", "0.500", "0.500", "3.400", "2%", "0.250",
    ]  # fmt: skip
    assert lines[-1] == "– gp: too slow"
    assert "linear 59% ties 41%" in method_table(rows)
    lines = comparison({"soup": rows}, {"soup": known}).splitlines()
    assert lines[-1].split()[-4:] == ["2.000", "0.500", "–", "4.000"]


def test_records_are_read_back_and_those_of_a_changed_family_are_not_used(tmp_path):
    file = RecordFile(tmp_path / "out.json")
    family = replace(QWEN2_PAIR, tasks=(Task("a", "choice", 1), Task("b", "choice", 1)))
    kept = record(family, "random", 1, replay().run(30), [0.1])
    file.add(kept)
    again = RecordFile(tmp_path / "out.json")
    again.read()
    assert again.get(kept.key, family.digest) == kept
    assert again.get(kept.key, "another") is None


def test_scores_survive_a_line_that_was_never_finished(tmp_path):
    path = tmp_path / "scores.jsonl"
    ScoreFile(path).add("one", Score("scored", {"a": 0.5}, seconds=0.1))
    with path.open("a") as file:
        file.write('{"digest": "tw')
    ScoreFile(path).add("three", Score("broken", cause="repeats"))
    assert list(ScoreFile(path).read()) == ["one", "three"]
    assert ScoreFile(path).get("one") == Score("scored", {"a": 0.5}, seconds=0.1)


def test_families_differ_as_the_bench_promises():
    families = list(FAMILIES.values())
    assert {each.architecture for each in families} == {"llama", "qwen2", "gpt2"}
    assert {len(each.models) for each in families} == {2, 3, 5, 8}
    assert {len(each.objectives) for each in families} == {1, 2, 3, 4}
    assert {each.workers for each in families} >= {1, 4, 16}
    assert [each.name for each in families if each.is_judge] == ["qwen2-five", "gpt2-conflict"]
    assert len({each.digest for each in families}) == len(families)


@pytest.mark.parametrize("skill", skills.TRANSFORMATIONS)
def test_one_choice_of_a_document_is_right_and_none_is_in_the_training_texts(skill):
    rows = skills.documents(skill, 30)
    for row in rows:
        assert row["choices"][row["gold"]] == row["answer"]
        assert len(set(row["choices"])) == skills.CHOICES
    texts = skills.training_texts({skill: 1.0}, skills.Random(0), skills.held_out(rows))
    words = {row["word"] for row in rows}
    sign = skills.TRANSFORMATIONS[skill].sign
    assert not words & {text.split(sign)[0] for text in itertools.islice(texts, 2000)}


@pytest.mark.slow
def test_a_real_family_is_made_once_and_searched(tmp_path, monkeypatch):
    brief = {name: replace(each, steps=20) for name, each in QWEN2_PAIR.models.items()}
    base = Training(QWEN2_PAIR.base.shares, 30, 4e-3)
    family = replace(QWEN2_PAIR, base=base, models=brief)
    monkeypatch.setitem(FAMILIES, "qwen2-pair", family)
    bench.opened.cache_clear()
    summary = bench.summarise("qwen2-pair", tmp_path)
    count = len(summary.first) + 10
    job = bench.Job("qwen2-pair", "random", 0, count, 60.0, tmp_path)
    found = bench.search(job)
    assert len(found.hypervolume) == count
    assert found.methods.count(None) == len(summary.first)
    (folder,) = tmp_path.iterdir()
    lines = (folder / "scores.jsonl").read_text()
    digests = [json.loads(line)["digest"] for line in lines.splitlines() if line]
    assert len(digests) == len(set(digests)) <= count
    assert bench.search(job).hypervolume == found.hypervolume  # all scores are known
    assert (folder / "scores.jsonl").read_text() == lines
    bench.opened.cache_clear()


@pytest.mark.slow
def test_auto_beats_random_on_a_live_family_spreads_over_methods_and_gets_better(tmp_path):
    bench.opened.cache_clear()
    (summary,) = bench.make(["qwen2-pair"], tmp_path, processes=1)
    assert summary.family == "qwen2-pair"
    jobs = [bench.Job("qwen2-pair", "random", seed, 100, 60.0, tmp_path) for seed in range(3)]
    auto = bench.search(bench.Job("qwen2-pair", "auto", 0, 100, 60.0, tmp_path))
    random = sorted(bench.search(job).hypervolume[-1] for job in jobs)
    assert auto.hypervolume[-1] > random[1]

    live = bench.opened("qwen2-pair", tmp_path)
    means = {
        n: 1.0 - normalised(losses(live.objectives, scores)[None], live.anchors).mean()
        for n, scores in enumerate(auto.scores)
        if scores
    }
    late = auto.methods[50:]
    common, count = Counter(late).most_common(1)[0]
    best_trial = max(means, key=lambda n: means[n])
    assert count <= 0.7 * len(late) or auto.methods[best_trial] == common
    early, end = ([means[n] for n in range(a, b) if n in means] for a, b in ((20, 60), (60, 100)))
    # the models are trained here, and other processors train others: medians vary by some 0.02
    assert np.median(end) >= np.median(early) - 0.03
    bench.opened.cache_clear()
