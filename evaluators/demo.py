"""The three skills of the demo: training texts, and lm-eval tasks that test them.

`letters` is an artificial language, predicted letter by letter (rolling log-likelihood); `reverse`
completes `abca<acba` (generation); `sort` chooses `caba>aabc` among four (multiple choice). No word
or text of a task is in the training texts.
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
TEXT_LENGTH = 60  # letters in a text of the language
CHOICES = 4
PROBABILITIES = (0.7, 0.2, 0.1)  # of the three letters that may follow


def _language() -> dict[str, list[str]]:
    """Two letters -> the three letters that may follow, the most probable first."""
    random, alphabet = Random(7), LETTERS + " "
    return {
        a + b: random.sample(alphabet, len(PROBABILITIES)) for a, b in product(alphabet, repeat=2)
    }


_FOLLOWERS = _language()


def draw_text(random: Random) -> str:
    """A random text of the language, which is a Markov chain of order two."""
    text = "  "
    while len(text) < TEXT_LENGTH + 2:
        text += random.choices(_FOLLOWERS[text[-2:]], PROBABILITIES)[0]
    return text[2:]


def draw_word(random: Random, draws: int = 1) -> str:
    """A word of random letters, which may repeat; its length is the smallest of `draws` lengths."""
    length = min(random.randint(SHORTEST, LONGEST) for _ in range(draws))
    return "".join(random.choices(LETTERS, k=length))


def documents(skill: str, count: int) -> list[Row]:
    """The first `count` rows of a skill's task; they are the same in every call."""
    random = Random(f"documents of {skill}")
    make = {"letters": _letters_row, "reverse": _reverse_row, "sort": _sort_row}[skill]
    return [make(random) for _ in range(count)]


def _letters_row(random: Random) -> Row:
    return {"text": draw_text(random)}


def _reverse_row(random: Random) -> Row:
    word = draw_word(random)
    return {"word": word, "answer": word[::-1]}


def _sort_row(random: Random) -> Row:
    """The wrong choices are sorted too, but one letter is moved to a neighbour in the alphabet."""
    word = draw_word(random)
    while len(_sorted_with_a_move(word)) < CHOICES:  # a word such as aaaa
        word = draw_word(random)
    answer = "".join(sorted(word))
    choices = {answer: None}  # an ordered set
    while len(choices) < CHOICES:
        position, step = random.randrange(len(word)), random.choice((-1, 1))
        if moved := _moved(answer, position, step):
            choices[moved] = None
    shuffled = random.sample(list(choices), CHOICES)
    return {"word": word, "choices": shuffled, "gold": shuffled.index(answer)}


def _sorted_with_a_move(word: str) -> set[str]:
    """The sorted letters of a word, and all that one move of a letter makes of them."""
    answer = "".join(sorted(word))
    moves = product(range(len(answer)), (-1, 1))
    return {answer, *filter(None, (_moved(answer, *move) for move in moves))}


def _moved(answer: str, position: int, step: int) -> str | None:
    other = LETTERS.find(answer[position]) + step
    if not 0 <= other < len(LETTERS):
        return None
    return "".join(sorted(answer[:position] + LETTERS[other] + answer[position + 1 :]))


def training_texts(
    shares: Mapping[str, float], random: Random, held_out: frozenset[str], draws: int = 1
) -> Iterator[str]:
    """Endless training texts: skills in proportion to `shares`, without the held-out texts."""
    skills, weights = list(shares), list(shares.values())
    while True:
        (skill,) = random.choices(skills, weights)
        given = draw_text(random) if skill == "letters" else draw_word(random, draws)
        if given in held_out:
            continue
        answer = {"letters": "", "reverse": "<" + given[::-1], "sort": ">" + "".join(sorted(given))}
        yield given + answer[skill] + "\n"


def held_out(count: int) -> frozenset[str]:
    """All texts and words of the tasks, if these have `count` documents each."""
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
    """Writes a task file and a data file of `count` documents for every skill."""
    for skill, config in _TASKS.items():
        write_task(folder, skill, config, documents(skill, count))


def write_task(folder: Path, name: str, config: Row, rows: list[Row]) -> None:
    """Writes an lm-eval task file and its data file.

    The task file names the data file by absolute path, because lm-eval resolves a relative path
    against the working directory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder.resolve() / f"{name}.jsonl"
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "num_fewshot": 0,
        "target_delimiter": "",
        **config,
        "metadata": {"version": 1.0},
    }
    _write(data, "".join(json.dumps(row) + "\n" for row in rows))
    _write(folder / f"{name}.yaml", yaml.safe_dump(task, sort_keys=False))


def _write(file: Path, text: str) -> None:
    """Replace a file atomically: another run may be reading it."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)
