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
    lessons,
    write_tasks,
)

EQUAL = dict.fromkeys(SKILLS, 1.0)


def take(count: int, **changes) -> list[str]:
    given = {"shares": EQUAL, "random": Random(0), "held_out": frozenset(), **changes}
    return list(islice(lessons(**given), count))


@pytest.mark.parametrize("skill", SKILLS)
def test_documents_are_always_the_same_and_more_begin_with_the_fewer(skill):
    assert documents(skill, 30)[:20] == documents(skill, 20)


def test_the_answer_to_reverse_is_the_word_backwards():
    assert all(row["answer"] == row["word"][::-1] for row in documents("reverse", 50))


def test_only_the_gold_choice_is_the_sorted_word_and_all_choices_look_sorted():
    for row in documents("sort", 50):
        answer = "".join(sorted(row["word"]))
        assert [choice == answer for choice in row["choices"]] == [
            i == row["gold"] for i in range(4)
        ]
        assert all(list(choice) == sorted(choice) for choice in row["choices"])


def test_no_word_or_text_of_a_task_is_in_the_lessons():
    secret = {text[:-1].replace("<", ">").split(">")[0] for text in take(200)}
    later = take(400, held_out=frozenset(secret))
    assert not secret & {text[:-1].replace("<", ">").split(">")[0] for text in later}


def test_what_is_held_out_is_every_word_and_text_of_the_tasks():
    rows = [row for skill in SKILLS for row in documents(skill, 10)]
    assert held_out(10) == {row.get("word", row.get("text")) for row in rows}


def test_lessons_come_in_the_shares_asked_for():
    texts = take(2000, shares={"letters": 1.0, "reverse": 3.0})
    assert not any(">" in text for text in texts)
    assert sum("<" in text for text in texts) / len(texts) == pytest.approx(0.75, abs=0.03)


def test_every_lesson_is_spelt_in_known_characters_and_ends_its_line():
    for text in take(200):
        assert set(text) <= set(CHARACTERS)
        assert text.index("\n") == len(text) - 1


def test_easier_words_are_shorter_and_all_lengths_occur():
    plain, easy = ([len(draw_word(Random(i), ease)) for i in range(500)] for ease in (1, 2))
    assert set(plain) == set(easy) == set(range(SHORTEST, LONGEST + 1))
    assert sum(easy) < sum(plain)


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
