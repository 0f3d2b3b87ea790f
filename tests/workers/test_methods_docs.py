"""What is generated from the declarations is up to date, and says enough."""

from __future__ import annotations

import pytest

from scripts.methods_docs import PAGE, page, table
from workers.methods import METHODS


def test_what_is_generated_is_not_stale():
    assert PAGE.read_text(encoding="utf-8") == page(), "run scripts/docs"


def test_every_method_is_in_the_table():
    assert all(f"| `{name}` |" in table() for name in METHODS)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_says_how_its_maths_reads_and_how_it_compares(method):
    assert "m = " in method.details or len(method.details) > 80
    assert "mergekit" in method.details
