"""The skills of the live families: training texts, and the documents that test them.

Three kinds: a *transformation* of a random word, written as word, sign and answer (`abc<cba`); a
*language*, which is a Markov chain of order two; and `junk`, uniformly random letters.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Any

LETTERS = "abcdefghij"
SHORTEST, LONGEST = 3, 5  # letters in a word
BRIEFEST, LENGTHIEST = 10, 28  # letters in a text of a language
CHOICES = 4
PROBABILITIES = (0.7, 0.2, 0.1)  # of the three letters that may follow two letters
JUNK = "junk"

Row = dict[str, Any]


@dataclass(frozen=True)
class Transformation:
    """What follows a word after the sign."""

    sign: str
    apply: Callable[[str], str]


def _replace(letters: str) -> Callable[[str], str]:
    table = str.maketrans(LETTERS, letters)
    return lambda word: word.translate(table)


TRANSFORMATIONS = {
    "copy": Transformation("=", lambda word: word),
    "reverse": Transformation("<", lambda word: word[::-1]),
    "sort": Transformation(">", lambda word: "".join(sorted(word))),
    "rotate": Transformation("@", lambda word: word[1:] + word[0]),
    "following": Transformation("+", _replace(LETTERS[1:] + LETTERS[0])),
    "mirrored": Transformation("~", _replace(LETTERS[::-1])),
    "first": Transformation("!", lambda word: word[0]),
    "last": Transformation("?", lambda word: word[-1]),
}
LANGUAGES = {"english": 1, "french": 2, "german": 3}  # name -> seed; no real ones
CHARACTERS = LETTERS + " \n" + "".join(each.sign for each in TRANSFORMATIONS.values())


@cache
def _followers(seed: int) -> dict[str, list[str]]:
    """Two letters -> the three letters that may follow, the most probable first."""
    random, alphabet = Random(seed), LETTERS + " "
    pairs = itertools.product(alphabet, repeat=2)
    return {a + b: random.sample(alphabet, len(PROBABILITIES)) for a, b in pairs}


def draw_text(skill: str, random: Random) -> str:
    """A random text of a language, or junk."""
    length = random.randint(BRIEFEST, LENGTHIEST)
    if skill == JUNK:
        return "".join(random.choices(LETTERS + " ", k=length))
    followers = _followers(LANGUAGES[skill])
    text = "  "
    while len(text) < length + 2:
        text += random.choices(followers[text[-2:]], PROBABILITIES)[0]
    return text[2:]


def draw_word(random: Random) -> str:
    """A word of random letters, which may repeat."""
    return "".join(random.choices(LETTERS, k=random.randint(SHORTEST, LONGEST)))


def documents(skill: str, count: int) -> list[Row]:
    """The first `count` rows of a skill's task; they are the same in every call."""
    random = Random(f"documents of {skill}")
    make = _word_row if skill in TRANSFORMATIONS else _text_row
    return [make(skill, random) for _ in range(count)]


def held_out(documents: Collection[Row]) -> frozenset[str]:
    """The words and texts of documents, which no training text may have."""
    return frozenset(row.get("word") or row["text"] for row in documents)


def training_texts(
    shares: Mapping[str, float], random: Random, held_out: frozenset[str]
) -> Iterator[str]:
    """Endless training texts: skills in proportion to `shares`, without the held-out ones."""
    skills, weights = list(shares), list(shares.values())
    while True:
        (skill,) = random.choices(skills, weights)
        known = TRANSFORMATIONS.get(skill)
        given = draw_word(random) if known else draw_text(skill, random)
        if given not in held_out:
            yield (f"{given}{known.sign}{known.apply(given)}" if known else given) + "\n"


def _text_row(skill: str, random: Random) -> Row:
    return {"text": draw_text(skill, random)}


def _spoilt(answer: str, random: Random) -> str:
    letters = list(answer)
    one, other = (random.randrange(len(letters)) for _ in range(2))
    if random.random() < 0.5:
        letters[one] = random.choice(LETTERS)
    else:
        letters[one], letters[other] = letters[other], letters[one]
    return "".join(letters)


def _word_row(skill: str, random: Random) -> Row:
    """An answer, and choices in which one letter is another or two have changed places."""
    word = draw_word(random)
    answer = TRANSFORMATIONS[skill].apply(word)
    choices = {answer: None}  # an ordered set
    while len(choices) < CHOICES:
        choices[_spoilt(answer, random)] = None
    shuffled = random.sample(list(choices), CHOICES)
    prompt = word + TRANSFORMATIONS[skill].sign
    return {
        "word": word,
        "prompt": prompt,
        "answer": answer,
        "choices": shuffled,
        "gold": shuffled.index(answer),
    }
