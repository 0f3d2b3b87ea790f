"""Finished trials as Parquet files: of one trial, of many trials, and the index of such a file."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evaluators.scores import SCHEMA, Estimate
from search.ledger.trial import Proposal, Trial

_ONE, _MANY = b"mergefront", b"mergefront.trials"  # keys of the metadata: one trial or many
_SIZE = b"mergefront.size"  # key in an index: bytes of the file that it describes

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
        ("params", pa.string()),  # JSON, as the rest: exact, and parsed on first use
        ("notes", pa.string()),
        ("recipe", pa.string()),
        ("conditions", pa.string()),
        ("documents", pa.int64()),  # null in runs of earlier versions, as the next
        ("estimates", pa.string()),
    ]
)


def trial_file(trial: Trial, documents: pa.Table | None) -> memoryview:
    """The file of one finished trial: document scores as rows, the trial as metadata."""
    table = _with_number(SCHEMA.empty_table() if documents is None else documents, trial.number)
    return _to_parquet(table.replace_schema_metadata({_ONE: trial.to_json().encode()}))


def trials_file(trials: Sequence[Trial], documents: Iterable[pa.Table]) -> memoryview:
    """One file of many finished trials."""
    table = pa.concat_tables(documents)
    lines = "\n".join(trial.to_json() for trial in trials).encode()
    packed = base64.b64encode(pa.compress(lines, codec="zstd", asbytes=True))
    return _to_parquet(table.replace_schema_metadata({_MANY: b"%d " % len(lines) + packed}))


def read_trials(source: Any) -> list[Trial]:
    """The trials in a file that `trial_file` or `trials_file` made.

    Raises:
        ValueError: if it is damaged.
    """
    try:
        metadata = pq.read_schema(source).metadata or {}
        lines = [metadata[_ONE]] if _ONE in metadata else _decompress(metadata[_MANY])
        return [Trial.from_dict(json.loads(line)) for line in lines]
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise ValueError(_first_line(error)) from None


def read_documents(source: Any, trial: int | None = None) -> pa.Table:
    """The scores per document in a file, of one trial or of all.

    Raises:
        ValueError: if the file is damaged.
    """
    wanted = None if trial is None else [("trial", "=", trial)]
    try:
        return pq.read_table(source, filters=wanted).replace_schema_metadata()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise ValueError(_first_line(error)) from None


def index_file(trials: Sequence[Trial], size: int) -> memoryview:
    """The index of a file of many trials: one row per trial, thousands are read in a second.

    Args:
        trials: those in the file.
        size: of the file in bytes, which shows that it was truncated without opening it.
    """
    schema = INDEX.with_metadata({_SIZE: b"%d" % size})
    return _to_parquet(pa.Table.from_pylist([_row(trial) for trial in trials], schema=schema))


def trials_table(trials: Sequence[Trial]) -> memoryview:
    """A table of trials for readers of other programs: the columns of an index."""
    return _to_parquet(pa.Table.from_pylist([_row(trial) for trial in trials], schema=INDEX))


def read_index(source: Any, size: int | None = None) -> list[Trial]:
    """The trials in an index.

    Args:
        source: the index.
        size: of the file that it describes, in bytes; None if that file is lost.

    Raises:
        ValueError: if it is damaged, or describes a file of another size.
    """
    try:
        # not `pq.read_table`, which imports pandas
        file = pq.ParquetFile(source)
        known = (file.schema_arrow.metadata or {}).get(_SIZE)
        if size is not None and known != b"%d" % size:
            raise ValueError(f"does not describe a file of {size} bytes")
        return [_trial(row) for row in _with_schema(file.read(), INDEX).to_pylist()]
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(_first_line(error)) from None


def _with_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with these columns; those that files of earlier versions lack are null."""
    for each in schema:
        if each.name not in table.column_names:
            table = table.append_column(each, pa.nulls(len(table), each.type))
    return table.select(schema.names).cast(schema)


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
        "estimates": json.dumps(trial.summary()["estimates"]),
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
    same_names = {
        name: row[name] for name in ("state", "order", "cause", "worker", "share", "clock")
    }
    return Trial(
        proposal,
        scores=dict(row["scores"]),
        seconds=dict(row["seconds"]),
        conditions=None if row["conditions"] is None else json.loads(row["conditions"]),
        documents=row["documents"] or 0,
        estimates={
            name: Estimate(**each) for name, each in json.loads(row["estimates"] or "{}").items()
        },
        **same_names,
    )


def _with_number(documents: pa.Table, number: int) -> pa.Table:
    column = pa.array([number] * len(documents), pa.int64())
    return documents.add_column(0, "trial", column)


def _decompress(packed: bytes) -> list[bytes]:
    size, _, encoded = packed.partition(b" ")
    lines: bytes = pa.decompress(base64.b64decode(encoded), int(size), codec="zstd", asbytes=True)
    return lines.split(b"\n")


def _to_parquet(table: pa.Table) -> memoryview:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", row_group_size=64_000)
    return buffer.getbuffer()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
