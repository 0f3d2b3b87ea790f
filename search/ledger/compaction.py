"""Merges many small files into a large one, without the risk of losing a trial.

The large file is written and read back before the small ones are deleted. A crash in between leaves
trials in both, and they are read once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from search.ledger import parquet
from search.ledger.paths import (
    AVERAGES,
    BUDGETS,
    FINISHED,
    INDEXED,
    PROPOSED,
    REPORT,
    SELECTION,
    SIMPLIFIED,
    finished_name,
    is_number,
    is_range,
    proposed_name,
    range_name,
)

if TYPE_CHECKING:
    from search.ledger.reader import Reader
    from search.ledger.store import Store
    from search.ledger.trial import Trial

log = logging.getLogger(__name__)


def compact(store: Store, trials: Mapping[int, Trial], check: Callable[[], None]) -> None:
    """Writes finished trials into one large file with an index, and deletes their small files.

    Args:
        store: the run's files.
        trials: those in small files, by number.
        check: raises an error if another driver, which may do the same, has broken the lease.
    """
    ordered = [trial for _, trial in sorted(trials.items())]
    name = range_name(trials)
    try:
        documents = [
            parquet.read_documents(store.source(finished_name(trial.number))) for trial in ordered
        ]
        content = parquet.trials_file(ordered, documents)
        check()
        _write_checked(store, f"{FINISHED}/{name}", content)
        store.write(f"{INDEXED}/{name}", parquet.index_file(ordered, len(content)))
        check()
        _delete(store, trials)
    except (OSError, ValueError) as error:  # the small files still exist, so nothing is lost
        log.warning("%s: %d trials stay in small files: %s", store.root, len(ordered), error)


def recover(store: Store, reader: Reader) -> dict[int, Trial]:
    """Completes or removes what a driver that died left unfinished.

    Returns:
        The trials in small files, by number.
    """
    folders = (PROPOSED, FINISHED, INDEXED, BUDGETS, SELECTION, REPORT, AVERAGES, SIMPLIFIED)
    for folder in folders:
        store.remove_partial_files(folder)
    proposed = {int(name[:-5]) for name in store.files(PROPOSED) if is_number(name)}
    small = reader.finished(is_number, [])  # damaged files are reported by `contents`
    for name, info in store.files(FINISHED).items():
        if not is_range(name):
            continue
        duplicated = (small.keys() | proposed) & reader.numbers(name, info)
        if duplicated and _is_readable(store, name):  # otherwise the small files are the only copy
            _delete(store, duplicated)
            small = {n: trial for n, trial in small.items() if n not in duplicated}
        if name in reader.unindexed:
            _write_index(store, name)
    return small


def _write_index(store: Store, name: str) -> None:
    trials = parquet.read_trials(store.source(f"{FINISHED}/{name}"))
    store.write(
        f"{INDEXED}/{name}", parquet.index_file(trials, store.info(f"{FINISHED}/{name}").size)
    )


def _is_readable(store: Store, name: str) -> bool:
    try:
        parquet.read_documents(store.source(f"{FINISHED}/{name}"))
    except ValueError:
        return False
    return True


def _delete(store: Store, numbers: Collection[int]) -> None:
    """Deletes the small files of trials that are in a large one."""
    for number in numbers:
        store.delete(finished_name(number))
        store.delete(proposed_name(number))


def _write_checked(store: Store, name: str, content: memoryview) -> None:
    store.write(name, content)
    if store.read(name) != content:
        raise ValueError(f"{store.location(name)} does not read back as written")
