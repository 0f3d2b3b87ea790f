"""Whether a worker failed because of its candidate, its slot or its node."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

FAILURES = 3  # in a row, after which a slot or node is closed
LOST = 60.0  # seconds for which Ray may still send actors to a machine that is gone


@dataclass
class Health:
    """Counts failures in a row, and closes slots and nodes.

    A slot is closed when `FAILURES` different candidates died in it in a row: one candidate that
    kills every worker says nothing about a slot. When as many workers in a row could not start on a
    node, the last one's slot is closed, or the node if all its slots have failed. Actors that die
    before they are placed say nothing about a node: they are requested again, and end a pool that
    has no other workers.
    """

    closed_nodes: dict[str, str] = field(default_factory=dict)
    """The cause by node."""
    closed_slots: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Their number by node."""
    causes: list[str] = field(default_factory=list)
    """Of all failures, in order."""
    start_error: str = ""
    """Why the last worker could not start; empty once one has started."""
    _has_machine_error: bool = False  # something was closed for another reason than an input error
    _lost: tuple[float, float] | None = None  # first and last loss in a row
    _starts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _victims: dict[tuple[str, int], set[int]] = field(default_factory=lambda: defaultdict(set))

    def record_placed(self) -> None:
        """An actor was placed on a node."""
        self._lost = None

    def record_lost(self, cause: str) -> None:
        """An actor died before it was placed."""
        self.causes.append(cause)
        self.start_error = cause
        now = time.monotonic()
        first, last = self._lost or (now, now)
        self._lost = (first if now - last < LOST else now, now)

    @property
    def is_lost(self) -> bool:
        """Whether actors have died before they were placed for `LOST` seconds, and none arrived."""
        if self._lost is None:
            return False
        first, last = self._lost
        return last - first >= LOST and time.monotonic() - last < LOST

    @property
    def has_closed(self) -> bool:
        """Whether any slot or node is closed."""
        return bool(self.closed_nodes or self.closed_slots)

    @property
    def only_input_errors(self) -> bool:
        """Whether everything that is closed is so because of wrong models or tasks."""
        return self.has_closed and not self._has_machine_error

    def record_start(self, node: str) -> None:
        """A worker has started."""
        self.start_error = ""
        self._starts[node].clear()

    def record_outcome(self, slot: int, node: str) -> None:
        """A worker has returned an outcome."""
        self._victims.pop((node, slot), None)

    def is_suspect(self, slot: int, node: str) -> bool:
        """Whether a candidate has died there since the last outcome."""
        return bool(self._victims.get((node, slot)))

    def record_failed_start(
        self,
        slot: int,
        node: str,
        cause: str,
        others: Collection[int] = (),
        *,
        is_input_error: bool = False,
    ) -> bool:
        """A worker could not start; whether that closes its slot or its node.

        Args:
            slot: the worker's.
            node: the slot's.
            cause: the error.
            others: the other slots of the node.
            is_input_error: whether the worker reported wrong models or tasks.
        """
        self.causes.append(cause)
        self.start_error = cause
        failed = self._starts[node]
        failed.append(slot)
        if len(failed) < FAILURES:
            return False
        if set(others) <= set(failed):
            self.closed_nodes[node] = cause
        else:
            self.closed_slots[node] += 1
            failed.clear()
        self._has_machine_error |= not is_input_error
        return True

    def record_death(self, slot: int, node: str, trial: int, cause: str) -> bool:
        """A worker died while it evaluated a candidate; whether that closes its slot."""
        self.causes.append(cause)
        victims = self._victims[node, slot]
        victims.add(trial)
        if len(victims) < FAILURES:
            return False
        self.closed_slots[node] += 1
        self._has_machine_error = True
        return True

    def excuse(self, trial: int) -> None:
        """Discards the deaths of a candidate that failed for good: the slots did not cause them."""
        for victims in self._victims.values():
            victims.discard(trial)
