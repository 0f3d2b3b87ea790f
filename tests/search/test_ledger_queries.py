"""The queries that docs/runs.md shows work on a run as it is on disk."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from evaluators.scores import SCHEMA
from search.ledger import Ledger
from search.ledger import ledger as ledger_module
from tests.search.test_ledger import HEADER, a_trial

PAGE = (Path(__file__).parent.parent.parent / "docs" / "runs.md").read_text(encoding="utf-8")
TRIALS = 14


def queries(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def documents(trial: int) -> pa.Table:
    """Trial 12 gets document 3 wrong; nothing else is ever wrong."""
    right = [float((trial, doc) != (12, 3)) for doc in range(5)]
    rows = [["text", doc, "h", "p", "acc", "none", value, None] for doc, value in enumerate(right)]
    return pa.table(list(zip(*rows, strict=True)), schema=SCHEMA)


@pytest.fixture(autouse=True)
def in_a_folder_with_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_module, "SMALL_FILES", 8)  # some in a large file, some in small ones
    monkeypatch.chdir(tmp_path)
    ledger = Ledger.create(tmp_path / "runs" / "one", HEADER, "")
    with ledger.driving():
        for number in range(TRIALS):
            ledger.propose(a_trial(number).proposal)
            ledger.finish(a_trial(number), documents(number))


def test_with_pandas_and_with_pyarrow(capsys):
    for query in queries("python"):
        exec(query, {})
    wrong, means = capsys.readouterr().out.split("pyarrow.Table")
    assert re.search(r"^text +3 +1\.0 +0\.0$", wrong, re.MULTILINE)
    assert means.strip().endswith("1,1,1,0.8,1]]")  # in the order of trials


def test_with_duckdb():
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not needed by mergefront")
    (query,) = queries("sql")
    hardest, *others = duckdb.sql(query).fetchall()
    assert hardest == ("text", 3, (TRIALS - 1) / TRIALS, TRIALS)
    assert {mean for _, _, mean, _ in others} == {1.0}
