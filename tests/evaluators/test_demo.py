from __future__ import annotations

import json
from itertools import islice
from random import Random

import pytest
import yaml

from evaluators.demo import (
    CHARACTERS,
    LONGEST,
    SHORTEST,
    SKILLS,
    documents,
    draw_word,
    held_out,
    training_texts,
    write_tasks,
)

EQUAL = dict.fromkeys(SKILLS, 1.0)


def take(count: int, **changes) -> list[str]:
    given = {"shares": EQUAL, "random": Random(0), "held_out": frozenset(), **changes}
    return list(islice(training_texts(**given), count))


@pytest.mark.parametrize("skill", SKILLS)
def test_documents_are_the_same_in_every_call_and_for_every_count(skill):
    assert documents(skill, 30)[:20] == documents(skill, 20)


def test_the_answer_of_reverse_is_the_reversed_word():
    assert all(row["answer"] == row["word"][::-1] for row in documents("reverse", 50))


def test_only_the_gold_choice_is_the_sorted_word_and_all_choices_look_sorted():
    for row in documents("sort", 50):
        answer = "".join(sorted(row["word"]))
        assert [choice == answer for choice in row["choices"]] == [
            i == row["gold"] for i in range(4)
        ]
        assert all(list(choice) == sorted(choice) for choice in row["choices"])


def test_no_word_or_text_of_a_task_is_in_the_training_texts():
    test_texts = {text[:-1].replace("<", ">").split(">")[0] for text in take(200)}
    training = take(400, held_out=frozenset(test_texts))
    assert not test_texts & {text[:-1].replace("<", ">").split(">")[0] for text in training}


def test_all_words_and_texts_of_the_tasks_are_held_out():
    rows = [row for skill in SKILLS for row in documents(skill, 10)]
    assert held_out(10) == {row.get("word", row.get("text")) for row in rows}


def test_training_texts_have_the_requested_shares():
    texts = take(2000, shares={"letters": 1.0, "reverse": 3.0})
    assert not any(">" in text for text in texts)
    assert sum("<" in text for text in texts) / len(texts) == pytest.approx(0.75, abs=0.03)


def test_every_training_text_has_only_known_characters_and_ends_with_a_newline():
    for text in take(200):
        assert set(text) <= set(CHARACTERS)
        assert text.index("\n") == len(text) - 1


def test_more_draws_give_shorter_words_and_all_lengths_occur():
    plain, short = ([len(draw_word(Random(i), draws)) for i in range(500)] for draws in (1, 2))
    assert set(plain) == set(short) == set(range(SHORTEST, LONGEST + 1))
    assert sum(short) < sum(plain)


def test_task_files_name_their_documents_by_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tasks((tmp_path / "tasks").relative_to(tmp_path), 12)
    monkeypatch.chdir("/")
    for skill in SKILLS:
        task = yaml.safe_load((tmp_path / "tasks" / f"{skill}.yaml").read_text())
        data = tmp_path / "tasks" / f"{skill}.jsonl"
        assert task["dataset_kwargs"]["data_files"] == {"test": str(data)}
        assert [json.loads(line) for line in data.read_text().splitlines()] == documents(skill, 12)


def test_the_tasks_use_all_three_kinds_of_request(tmp_path):
    write_tasks(tmp_path, 1)
    kinds = {yaml.safe_load(file.read_text())["output_type"] for file in tmp_path.glob("*.yaml")}
    assert kinds == {"generate_until", "multiple_choice", "loglikelihood_rolling"}
