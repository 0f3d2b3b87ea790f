"""What is generated from the declarations is up to date, and says enough."""

from __future__ import annotations

import pytest

from scripts.methods_docs import PAGE, README, page, readme
from workers.methods import METHODS


@pytest.mark.parametrize(("path", "text"), [(PAGE, page), (README, readme)], ids=["page", "readme"])
def test_what_is_generated_is_not_stale(path, text):
    assert path.read_text(encoding="utf-8") == text(), "run scripts/docs"


def test_the_readme_has_the_table():
    assert all(f"| `{name}` |" in readme() for name in METHODS)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_says_how_its_maths_reads_and_how_it_compares(method):
    assert "m = " in method.details or len(method.details) > 80
    assert "mergekit" in method.details
