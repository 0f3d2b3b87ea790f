"""Finished trials as Parquet: one file for one, and many in one file with an index beside it."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evaluators.scores import SCHEMA
from search.ledger.trial import Proposal, Trial

_ONE, _MANY = b"mergefront", b"mergefront.trials"  # keys of the file's metadata
_SIZE = b"mergefront.size"  # in an index: bytes of the file that it is of

INDEX = pa.schema(
    [
        ("number", pa.int64()),
        ("order", pa.int64()),
        ("state", pa.string()),
        ("label", pa.string()),
        ("digest", pa.string()),
        ("scores", pa.map_(pa.string(), pa.float64())),
        ("cause", pa.string()),
        ("seconds", pa.map_(pa.string(), pa.float64())),
        ("worker", pa.string()),
        ("share", pa.float64()),
        ("clock", pa.float64()),
        ("seen", pa.int64()),
        ("params", pa.string()),  # JSON, as is the rest: exact, and only parsed where it is needed
        ("notes", pa.string()),
        ("recipe", pa.string()),
        ("conditions", pa.string()),
    ]
)


def one(trial: Trial, documents: pa.Table | None) -> memoryview:
    """The file of one finished trial: its documents as rows, itself as metadata."""
    table = _numbered(SCHEMA.empty_table() if documents is None else documents, trial.number)
    return _parquet(table.replace_schema_metadata({_ONE: trial.to_json().encode()}))


def many(trials: Sequence[Trial], documents: Iterable[pa.Table]) -> memoryview:
    """The file of many finished trials."""
    table = pa.concat_tables(documents)
    lines = "\n".join(trial.to_json() for trial in trials).encode()
    packed = base64.b64encode(pa.compress(lines, codec="zstd", asbytes=True))
    sized = b"%d " % len(lines) + packed
    return _parquet(table.replace_schema_metadata({_MANY: sized}))


def trials_in(source: Any) -> list[Trial]:
    """The trials of a file that `one` or `many` made.

    Raises:
        ValueError: if it is damaged.
    """
    try:
        metadata = pq.read_schema(source).metadata or {}
        lines = [metadata[_ONE]] if _ONE in metadata else _unpacked(metadata[_MANY])
        return [Trial.from_dict(json.loads(line)) for line in lines]
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise ValueError(_said(error)) from None


def table_in(source: Any, trial: int | None = None) -> pa.Table:
    """The scores per document in a file, of all its trials or of one.

    Raises:
        ValueError: if the file is damaged.
    """
    wanted = None if trial is None else [("trial", "=", trial)]
    try:
        return pq.read_table(source, filters=wanted).replace_schema_metadata()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise ValueError(_said(error)) from None


def index(trials: Sequence[Trial], size: int) -> memoryview:
    """One row a trial, to read thousands of them in a second.

    Args:
        trials: of a file of many.
        size: of that file, in bytes: one that was cut is known by it, and none has to be opened.
    """
    schema = INDEX.with_metadata({_SIZE: b"%d" % size})
    return _parquet(pa.Table.from_pylist([_row(trial) for trial in trials], schema=schema))


def trials_of(source: Any, size: int | None = None) -> list[Trial]:
    """The trials of an index.

    Args:
        source: the index.
        size: of the file that it should be of; None where that is lost.

    Raises:
        ValueError: if it is damaged, or of a file of another size.
    """
    try:
        known = (pq.read_schema(source).metadata or {}).get(_SIZE)
        if size is not None and known != b"%d" % size:
            raise ValueError(f"is of a file of another size than {size} bytes")
        return [_trial(row) for row in pq.read_table(source, schema=INDEX).to_pylist()]
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(_said(error)) from None


def _row(trial: Trial) -> dict[str, Any]:
    proposal = trial.proposal
    return {
        **trial.summary(),
        "label": proposal.label,
        "digest": proposal.digest,
        "params": proposal.params_json,
        "notes": json.dumps(dict(proposal.notes)),
        "seen": proposal.seen,
        "recipe": proposal.recipe_json,
        "conditions": None if trial.conditions is None else json.dumps(dict(trial.conditions)),
    }


def _trial(row: dict[str, Any]) -> Trial:
    proposal = Proposal(
        row["number"],
        row["digest"],
        row["recipe"],
        row["params"],
        row["label"],
        json.loads(row["notes"]),
        row["seen"],
    )
    same = {name: row[name] for name in ("state", "order", "cause", "worker", "share", "clock")}
    return Trial(
        proposal,
        scores=dict(row["scores"]),
        seconds=dict(row["seconds"]),
        conditions=None if row["conditions"] is None else json.loads(row["conditions"]),
        **same,
    )


def _numbered(documents: pa.Table, number: int) -> pa.Table:
    column = pa.array([number] * len(documents), pa.int64())
    return documents.add_column(0, "trial", column)


def _unpacked(kept: bytes) -> list[bytes]:
    size, _, packed = kept.partition(b" ")
    whole = base64.b64decode(packed)
    lines: bytes = pa.decompress(whole, int(size), codec="zstd", asbytes=True)
    return lines.split(b"\n")


def _parquet(table: pa.Table) -> memoryview:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=64_000)
    return buffer.getbuffer()


def _said(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
