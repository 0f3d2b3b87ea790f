"""The demo's three skills: text to learn them from, and lm-eval tasks that test them.

`letters` is a made-up language, to be predicted letter by letter (rolling log-likelihood);
`reverse` writes `abca<acba` (generation); `sort` chooses `caba>aabc` among four (multiple choice).
No word or text of a task is ever in the text to learn from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import yaml

LETTERS = "abcdefghijklmnop"
CHARACTERS = LETTERS + " <>\n"
SKILLS = ("letters", "reverse", "sort")

Row = dict[str, Any]

SHORTEST, LONGEST = 4, 8  # letters in a word
TEXT = 60  # letters in a text of the language
CHOICES = 4
CHANCES = (0.7, 0.2, 0.1)  # of the letters that may follow


def _language() -> dict[str, list[str]]:
    """Two letters -> the three that may follow, the likeliest first."""
    random, alphabet = Random(7), LETTERS + " "
    return {a + b: random.sample(alphabet, len(CHANCES)) for a, b in product(alphabet, repeat=2)}


_FOLLOWERS = _language()


def speak(random: Random) -> str:
    """A text of the language, a Markov chain of order two."""
    text = "  "
    while len(text) < TEXT + 2:
        text += random.choices(_FOLLOWERS[text[-2:]], CHANCES)[0]
    return text[2:]


def draw_word(random: Random, ease: int = 1) -> str:
    """Random letters, which may repeat; as many as in the shortest of `ease` draws."""
    length = min(random.randint(SHORTEST, LONGEST) for _ in range(ease))
    return "".join(random.choices(LETTERS, k=length))


def documents(skill: str, count: int) -> list[Row]:
    """The rows of a skill's task, always the same; more of them begin with the fewer."""
    random = Random(f"documents of {skill}")
    make = {"letters": _letters_row, "reverse": _reverse_row, "sort": _sort_row}[skill]
    return [make(random) for _ in range(count)]


def _letters_row(random: Random) -> Row:
    return {"text": speak(random)}


def _reverse_row(random: Random) -> Row:
    word = draw_word(random)
    return {"word": word, "answer": word[::-1]}


def _sort_row(random: Random) -> Row:
    """The wrong choices are sorted too, with one letter a step up or down the alphabet."""
    word = draw_word(random)
    answer = "".join(sorted(word))
    choices = {answer: None}  # a set that keeps the order
    while len(choices) < CHOICES:
        place, step = random.randrange(len(word)), random.choice((-1, 1))
        other = LETTERS.find(answer[place]) + step
        if 0 <= other < len(LETTERS):
            choices["".join(sorted(answer[:place] + LETTERS[other] + answer[place + 1 :]))] = None
    shuffled = random.sample(list(choices), CHOICES)
    return {"word": word, "choices": shuffled, "gold": shuffled.index(answer)}


def lessons(
    shares: Mapping[str, float], random: Random, held_out: frozenset[str], ease: int = 1
) -> Iterator[str]:
    """Text to learn from, without end: skills in proportion to `shares`, nothing held out."""
    skills, weights = list(shares), list(shares.values())
    while True:
        (skill,) = random.choices(skills, weights)
        given = speak(random) if skill == "letters" else draw_word(random, ease)
        if given in held_out:
            continue
        answer = {"letters": "", "reverse": "<" + given[::-1], "sort": ">" + "".join(sorted(given))}
        yield given + answer[skill] + "\n"


def held_out(count: int) -> frozenset[str]:
    """Every text and word of the tasks with `count` documents each."""
    rows = (row for skill in SKILLS for row in documents(skill, count))
    return frozenset(row.get("word") or row["text"] for row in rows)


_TASKS: dict[str, Row] = {
    "letters": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "text",
        "metric_list": [
            {"metric": "bits_per_byte", "aggregation": "bits_per_byte", "higher_is_better": False}
        ],
    },
    "reverse": {
        "output_type": "generate_until",
        "doc_to_text": "{{word}}<",
        "doc_to_target": "answer",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 10, "do_sample": False},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
    },
    "sort": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{word}}>",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    },
}


def write_tasks(folder: Path, count: int) -> None:
    """One task file per skill with its `count` documents beside it.

    Documents are named by absolute path: lm-eval resolves others against the working directory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for skill, config in _TASKS.items():
        data = folder.resolve() / f"{skill}.jsonl"
        lines = [json.dumps(row) + "\n" for row in documents(skill, count)]
        task = {
            "task": skill,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(data)}},
            "test_split": "test",
            "num_fewshot": 0,
            "target_delimiter": "",
            **config,
            "metadata": {"version": 1.0},
        }
        _write(data, "".join(lines))
        _write(folder / f"{skill}.yaml", yaml.safe_dump(task, sort_keys=False))


def _write(file: Path, text: str) -> None:
    """Beside it first: another run may be reading it."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)
