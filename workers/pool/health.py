"""Who is to blame when a worker dies: its candidate, its slot, or its node."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field

FAILURES = 3  # in a row, after which a slot or node is closed
LOST = 60.0  # seconds for which Ray may send actors to a machine that is gone, and not know it
NOWHERE = ""  # the node of a worker that died before it knew where it was


@dataclass
class Health:
    """Counts deaths until someone works again.

    A slot is closed when so many different candidates died in it in a row: one deadly candidate
    says nothing about a slot. A node is closed when so many workers in a row could not begin there.
    Actors that die on the way to a machine say nothing of any node, until none finds one for long.
    """

    closed_nodes: dict[str, str] = field(default_factory=dict)
    """With the cause of each."""
    refused_nodes: set[str] = field(default_factory=set)
    """Those closed because a worker would not have what it was given: models, tasks."""
    closed_slots: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many, by node."""
    causes: list[str] = field(default_factory=list)
    """Of all deaths, in their order."""
    _lost_since: float | None = None
    _starts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _victims: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def placed(self) -> None:
        """An actor has found its machine."""
        self._lost_since = None

    def lost(self, cause: str) -> bool:
        """Whether actors die on the way to a machine for too long, and no more are asked for."""
        self.causes.append(cause)
        now = time.monotonic()
        self._lost_since = self._lost_since or now
        if now - self._lost_since < LOST:
            return False
        self.closed_nodes[NOWHERE] = cause
        return True

    def works(self, slot: int, node: str) -> None:
        """A worker has begun, or has brought an outcome."""
        self._starts[node] = 0
        self._victims.pop(slot, None)

    def could_not_begin(self, node: str, cause: str, *, refused: bool = False) -> bool:
        """Whether that was once too often, and the node is closed now.

        Args:
            node: where it was.
            cause: what the worker said.
            refused: whether it would not have its models or tasks: another try would end the same.
        """
        self.causes.append(cause)
        self._starts[node] += 1
        if self._starts[node] < FAILURES and not refused:
            return False
        self.closed_nodes[node] = cause
        if refused:
            self.refused_nodes.add(node)
        return True

    @property
    def is_all_refused(self) -> bool:
        """Whether every node that is closed is so because of what its worker was given."""
        return not self.closed_slots and self.refused_nodes == set(self.closed_nodes)

    def died_of(self, slot: int, node: str, trial: int, cause: str) -> bool:
        """Whether that was one candidate too many, and the slot is closed now."""
        self.causes.append(cause)
        self._victims[slot].add(trial)
        if len(self._victims[slot]) < FAILURES:
            return False
        self.closed_slots[node] += 1
        return True

    def acquit(self, trial: int) -> None:
        """A candidate was set aside as deadly: the slots it died in are not to blame."""
        for victims in self._victims.values():
            victims.discard(trial)
