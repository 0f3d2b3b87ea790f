"""The scores of a model: values per document, and the aggregates computed from them."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from functools import reduce
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterable

Values = dict[str, dict[str, float]]  # task -> "metric,filter" -> aggregate

SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("doc_id", pa.int64()),  # position in the task's evaluation documents
        ("doc_hash", pa.string()),
        ("prompt_hash", pa.string()),
        ("metric", pa.string()),
        ("filter", pa.string()),
        ("value", pa.float64()),  # null if the metric is not a single number
        ("value_json", pa.string()),  # in that case, the input of lm-eval's aggregation
    ]
)

RESPONSES = pa.schema(
    [
        ("task", pa.string()),
        ("doc_id", pa.int64()),
        ("request", pa.int64()),  # position among the requests of the document
        ("response", pa.string()),  # JSON
    ]
)


class BrokenModel(ValueError):  # noqa: N818 - an outcome of a trial, not a program error
    """The model cannot be scored: a log-likelihood, a logit or an aggregate is not finite."""


class Row(NamedTuple):
    """One metric of one document under one filter."""

    task: str
    doc_id: int
    doc_hash: str
    prompt_hash: str
    metric: str
    filter: str
    value: Any


@dataclass(frozen=True)
class Conditions:
    """What the exact value of a score depends on, besides the weights and the documents."""

    batch_size: int  # 0 if the engine batches by itself
    threads: int  # of torch, on the CPU
    device: str
    engine: str = "hf"  # or `vllm` with its version
    parts: int = 1  # scorings of some documents each, whose batches are others than those of all


@dataclass(frozen=True)
class Estimate:
    """What a score on all documents is likely to be, from the scores on some of them."""

    value: float
    error: float
    """Standard error, in place of the score on all documents."""
    documents: int
    """That it is estimated from."""


@dataclass(frozen=True)
class Scores:
    """The scores of one model on a set of documents.

    `values` is task (or group) -> "metric,filter" (lm-eval's key) -> aggregate. `documents` is a
    table of `SCHEMA`, sorted by task, filter and document. `responses` has the model's generated
    texts and log-likelihoods, if the settings keep them.
    """

    values: Values
    documents: pa.Table
    conditions: Conditions
    responses: pa.Table | None = None


def table(rows: Iterable[Row]) -> pa.Table:
    """Rows as a table of `SCHEMA`."""
    *columns, values = zip(*rows, strict=True)
    single = [float(v) if _is_number(v) else None for v in values]
    parts = [None if _is_number(v) else json.dumps(v, default=_plain) for v in values]
    return pa.table([*columns, single, parts], schema=SCHEMA)


def response_table(rows: Iterable[tuple[str, int, int, Any]]) -> pa.Table:
    """Responses as a table of `RESPONSES`."""
    *columns, responses = zip(*rows, strict=True)
    return pa.table([*columns, [json.dumps(each) for each in responses]], schema=RESPONSES)


def raw_values(documents: pa.Table) -> dict[str, dict[tuple[str, str], list[Any]]]:
    """Task -> (metric, filter) -> the values of its documents, sorted by `doc_id`.

    Numbers are floats, composite values are lists.
    """
    raw: dict[str, dict[tuple[str, str], list[Any]]] = defaultdict(lambda: defaultdict(list))
    ordered = sorted(documents.to_pylist(), key=lambda row: int(row["doc_id"]))
    for row in ordered:
        value = row["value"] if row["value_json"] is None else json.loads(row["value_json"])
        raw[row["task"]][row["metric"], row["filter"]].append(value)
    return raw


def metric_values(documents: pa.Table, task: str, key: str) -> dict[int, Any]:
    """Document id -> the value of a task's "metric,filter", as `raw_values` reads it."""
    metric, _, name = key.partition(",")
    wanted = {"task": task, "metric": metric, "filter": name}
    matches = (pc.equal(documents[column], text) for column, text in wanted.items())
    rows = documents.filter(reduce(pc.and_, matches))
    columns = (rows[name].to_pylist() for name in ("doc_id", "value", "value_json"))
    return {
        doc_id: value if text is None else json.loads(text)
        for doc_id, value, text in zip(*columns, strict=True)
    }


def joined(tables: Iterable[pa.Table], tasks: Iterable[str] = ()) -> pa.Table:
    """Tables of different documents as one, sorted as the table of a single scoring.

    Args:
        tables: of scores or of responses.
        tasks: in their order; those not named follow.
    """
    table = pa.concat_tables(tables)
    names = table["task"].to_pylist()
    filters = table["filter"].to_pylist() if "filter" in table.column_names else names
    ranks = {task: i for i, task in enumerate(dict.fromkeys([*tasks, *names]))}
    first: dict[str, int] = {}
    parts = [first.setdefault(name, len(first)) for name in filters]
    keys = (table["doc_id"].to_numpy(), parts, [ranks[name] for name in names])
    return table.take(np.lexsort(keys))


def document_ids(documents: pa.Table) -> dict[str, list[int]]:
    """Task -> the ids of its documents, ascending."""
    found: dict[str, set[int]] = defaultdict(set)
    for task, doc_id in zip(*(documents[n].to_pylist() for n in ("task", "doc_id")), strict=True):
        found[task].add(doc_id)
    return {task: sorted(ids) for task, ids in found.items()}


def count_documents(documents: pa.Table) -> int:
    """How many documents of all tasks have scores."""
    return int(documents.group_by(["task", "doc_id"]).aggregate([]).num_rows)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | np.bool_)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
