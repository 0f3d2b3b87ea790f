"""What docs/models.md says of each thing that people bring is what happens to it."""

from __future__ import annotations

import re

import pytest

from scripts.models_docs import CASES_FILE, END, HEAD, PAGE, START, architectures, row
from tests.workers.brought import CASES


def table() -> list[str]:
    """The rows in the page."""
    part = PAGE.read_text(encoding="utf-8").split(START.format(CASES_FILE))[1].split(END)[0]
    assert part.startswith(HEAD)
    return part.removeprefix(HEAD).splitlines(keepends=True)


@pytest.mark.parametrize("what", CASES)
def test_what_the_page_says_is_what_happens(what, cache, tmp_path):
    assert row(what, tmp_path) in table(), "run scripts/docs"


def test_every_case_has_one_row_in_the_page_and_no_row_has_none():
    assert [re.match(r"\| (.*?) \|", line)[1] for line in table()] == [*CASES], "run scripts/docs"


def test_the_page_names_the_architectures_of_the_tests():
    assert architectures() in PAGE.read_text(encoding="utf-8"), "run scripts/docs"
