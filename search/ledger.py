"""The run folder: what was proposed and what finished. All there is to know about a run.

    run.json                  format version, name, objectives, when it began
    config.yaml               the config as it was understood
    proposed/000012.json      one file per proposed trial
    finished/000012.parquet   one per finished trial: document scores as rows, the rest as metadata
    driver.lock               held by the driver while it lives

Every file is written beside its place and moved there, so it appears whole or not at all.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from evaluators.scores import SCHEMA
from search.trial import Proposal, Trial

FORMAT = 1
HEADER, CONFIG, LOCK = "run.json", "config.yaml", "driver.lock"
PROPOSED, FINISHED = "proposed", "finished"
_KEY = b"mergefront"


class RunBusyError(RuntimeError):
    """Another driver works on this run."""


class Ledger:
    """The files of one run.

    Raises:
        ValueError: if the folder is no run, or of a format this version does not read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if not (root / HEADER).is_file():
            raise ValueError(f"{root} is not a run: it has no {HEADER}")
        self.header: dict[str, Any] = json.loads((root / HEADER).read_text(encoding="utf-8"))
        if self.header.get("format") != FORMAT:
            raise ValueError(
                f"{root / HEADER}: format {self.header.get('format')!r}; "
                f"this version reads {FORMAT}"
            )

    @classmethod
    def create(cls, root: Path, header: Mapping[str, Any], config: str) -> Ledger:
        """Begins a run in a new or empty folder.

        Raises:
            ValueError: if a run is there already.
        """
        if (root / HEADER).exists():
            raise ValueError(
                f"{root} already holds a run; go on with it by `mergefront resume {root}`, "
                "or set another `run:`"
            )
        for folder in (PROPOSED, FINISHED):
            (root / folder).mkdir(parents=True, exist_ok=True)
        _write_text(root / CONFIG, config)
        _write_text(root / HEADER, json.dumps({"format": FORMAT, **header}, indent=2) + "\n")
        return cls(root)

    @property
    def config(self) -> str:
        """The config's YAML, as it was understood when the run began."""
        return (self.root / CONFIG).read_text(encoding="utf-8")

    def propose(self, proposal: Proposal) -> None:
        """Keeps a proposal, before it goes to a worker."""
        text = json.dumps(proposal.to_dict(), separators=(",", ":"))
        _write_text(self.root / PROPOSED / f"{proposal.number:06}.json", text)

    def finish(self, trial: Trial, documents: pa.Table | None = None) -> None:
        """Keeps what came of a trial, with its scores per document."""
        table = SCHEMA.empty_table() if documents is None else documents
        table = table.replace_schema_metadata({_KEY: json.dumps(trial.summary()).encode()})
        path = self.root / FINISHED / f"{trial.number:06}.parquet"
        _write_whole(path, lambda file: pq.write_table(table, file, compression="zstd"))

    def proposals(self) -> dict[int, Proposal]:
        """Every proposal by number, in order."""
        files = sorted((self.root / PROPOSED).glob("*.json"))
        read = (Proposal.from_dict(json.loads(file.read_text(encoding="utf-8"))) for file in files)
        return {proposal.number: proposal for proposal in read}

    def trials(self) -> list[Trial]:
        """Every finished trial, in the order of finishing."""
        proposals = self.proposals()
        files = sorted((self.root / FINISHED).glob("*.parquet"))
        found = (_summary(file) for file in files)
        trials = [_trial(summary, proposals) for summary in found]
        return sorted(trials, key=lambda trial: trial.order)

    def documents(self, number: int) -> pa.Table:
        """The scores per document of one finished trial."""
        return pq.read_table(self.root / FINISHED / f"{number:06}.parquet")

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Holds the run for this driver; the system lets go of it when the process dies.

        Raises:
            RunBusyError: if another driver holds it.
        """
        with (self.root / LOCK).open("a+") as file:
            if not _lock(file):
                file.seek(0)
                raise RunBusyError(f"{self.root} is being searched by {file.read().strip()}")
            file.truncate(0)
            file.write(f"process {os.getpid()} on {os.uname().nodename}\n")
            file.flush()
            yield

    @property
    def is_driven(self) -> bool:
        """Whether a living driver holds the run."""
        if not (self.root / LOCK).exists():
            return False
        with (self.root / LOCK).open("a+") as file:
            return not _lock(file)


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _summary(file: Path) -> dict[str, Any]:
    metadata = pq.read_schema(file).metadata
    summary: dict[str, Any] = json.loads(metadata[_KEY])
    return summary


def _trial(summary: dict[str, Any], proposals: Mapping[int, Proposal]) -> Trial:
    number = summary.pop("number")
    return Trial(proposal=proposals[number], **summary)


def _write_text(path: Path, text: str) -> None:
    _write_whole(path, lambda file: file.write(text.encode()))


def _write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Writes beside the place, syncs, and moves: after a crash the file is whole or not there."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
