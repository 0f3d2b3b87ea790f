"""Many small files into a larger one, without ever being able to lose one.

The large file is written and read back before the small ones go; a crash in between leaves a trial
in both, which says the same twice and is read once.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from search.ledger import rows
from search.ledger.names import (
    FINISHED,
    INDEXED,
    finished_name,
    proposed_name,
    range_name,
)

if TYPE_CHECKING:
    from search.ledger.store import Store
    from search.trial import Trial

log = logging.getLogger(__name__)


def compact(store: Store, trials: Mapping[int, Trial]) -> None:
    """Puts finished trials that have files of their own into one, and makes an index of it."""
    kept = [trial for _, trial in sorted(trials.items())]
    name = range_name(trials)
    try:
        tables = [rows.table_in(store.source(finished_name(trial.number))) for trial in kept]
        _write(store, f"{FINISHED}/{name}", rows.many(kept, tables))
        store.write(f"{INDEXED}/{name}", rows.index(kept))
        remove(store, trials)
    except (OSError, ValueError) as error:  # the small files are still there, and that is enough
        log.warning("%s: %d trials stay in small files: %s", store.root, len(kept), error)


def remove(store: Store, numbers: Collection[int]) -> None:
    """Removes the small files of trials that are in a larger one."""
    for number in numbers:
        store.delete(finished_name(number))
        store.delete(proposed_name(number))


def _write(store: Store, name: str, content: memoryview) -> None:
    store.write(name, content)
    if store.read(name) != content:
        raise ValueError(f"{store.where(name)} does not read back as written")
