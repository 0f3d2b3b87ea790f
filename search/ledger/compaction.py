"""Many small files into a larger one, without ever being able to lose one.

The large file is written and read back before the small ones go; a crash in between leaves a trial
in both, which says the same twice and is read once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from search.ledger import rows
from search.ledger.paths import (
    BUDGETS,
    FINISHED,
    INDEXED,
    PROPOSED,
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
    """Puts finished trials that have files of their own into one, and makes an index of it.

    Args:
        store: of the run.
        trials: to be put together, by number.
        check: raises if the run is another driver's by now, who may be doing the same.
    """
    kept = [trial for _, trial in sorted(trials.items())]
    name = range_name(trials)
    try:
        tables = [rows.table_in(store.source(finished_name(trial.number))) for trial in kept]
        content = rows.many(kept, tables)
        check()
        _write(store, f"{FINISHED}/{name}", content)
        store.write(f"{INDEXED}/{name}", rows.index(kept, len(content)))
        check()
        _remove(store, trials)
    except (OSError, ValueError) as error:  # the small files are still there, and that is enough
        log.warning("%s: %d trials stay in small files: %s", store.root, len(kept), error)


def tidy(store: Store, reader: Reader) -> dict[int, Trial]:
    """Finishes what a driver that died left half done.

    Returns:
        The trials that are in files of their own.
    """
    for folder in (PROPOSED, FINISHED, INDEXED, BUDGETS):
        store.sweep(folder)
    proposed = {int(name[:-5]) for name in store.infos(PROPOSED) if is_number(name)}
    loose = reader.finished(is_number, [])  # damage: `contents` tells of it
    for name, info in store.infos(FINISHED).items():
        if not is_range(name):
            continue
        twice = (loose.keys() | proposed) & reader.numbers(name, info)
        if twice and _is_whole(store, name):  # else they are all there is: restored, perhaps
            _remove(store, twice)
            loose = {n: trial for n, trial in loose.items() if n not in twice}
        if name in reader.unindexed:
            _index(store, name)
    return loose


def _index(store: Store, name: str) -> None:
    trials = rows.trials_in(store.source(f"{FINISHED}/{name}"))
    store.write(f"{INDEXED}/{name}", rows.index(trials, store.info(f"{FINISHED}/{name}").size))


def _is_whole(store: Store, name: str) -> bool:
    try:
        rows.table_in(store.source(f"{FINISHED}/{name}"))
    except ValueError:
        return False
    return True


def _remove(store: Store, numbers: Collection[int]) -> None:
    """Removes the small files of trials that are in a larger one."""
    for number in numbers:
        store.delete(finished_name(number))
        store.delete(proposed_name(number))


def _write(store: Store, name: str, content: memoryview) -> None:
    store.write(name, content)
    if store.read(name) != content:
        raise ValueError(f"{store.where(name)} does not read back as written")
