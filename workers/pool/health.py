"""Who is to blame when a worker dies: its candidate, its slot, or its node."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

FAILURES = 3  # in a row, after which a slot or node is closed
LOST = 60.0  # seconds for which Ray may send actors to a machine that is gone, and not know it


@dataclass
class Health:
    """Counts deaths until someone works again.

    A slot is closed when so many different candidates died in it in a row: one deadly candidate
    says nothing about a slot. When so many workers in a row could not begin on a node, the last
    one's slot is closed, or the node if none there fares better. Actors that die on the way to a
    machine say nothing of any node: they are asked for again, and end a pool that has no others.
    """

    closed_nodes: dict[str, str] = field(default_factory=dict)
    """With the cause of each."""
    closed_slots: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many, by node."""
    causes: list[str] = field(default_factory=list)
    """Of all deaths, in their order."""
    _is_sick: bool = False  # something was closed for another reason than a refusal
    _lost: tuple[float, float] | None = None  # first and last of the deaths on the way in a row
    _starts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _victims: dict[tuple[str, int], set[int]] = field(default_factory=lambda: defaultdict(set))

    def placed(self) -> None:
        """An actor has found its machine."""
        self._lost = None

    def lost(self, cause: str) -> None:
        """An actor died on the way to a machine."""
        self.causes.append(cause)
        now = time.monotonic()
        first, last = self._lost or (now, now)
        self._lost = (first if now - last < LOST else now, now)

    @property
    def is_lost(self) -> bool:
        """Whether actors have died on the way to a machine for so long, and none arrived."""
        if self._lost is None:
            return False
        first, last = self._lost
        return last - first >= LOST and time.monotonic() - last < LOST

    @property
    def has_closed(self) -> bool:
        """Whether any slot or node is closed."""
        return bool(self.closed_nodes or self.closed_slots)

    @property
    def is_all_refused(self) -> bool:
        """Whether all that is closed is so since a worker would not have its models or tasks."""
        return self.has_closed and not self._is_sick

    def began(self, node: str) -> None:
        """A worker has begun."""
        self._starts[node].clear()

    def works(self, slot: int, node: str) -> None:
        """A worker has brought an outcome."""
        self._victims.pop((node, slot), None)

    def is_suspect(self, slot: int, node: str) -> bool:
        """Whether a candidate died there since the last outcome."""
        return bool(self._victims.get((node, slot)))

    def could_not_begin(
        self,
        slot: int,
        node: str,
        cause: str,
        others: Collection[int] = (),
        *,
        refused: bool = False,
    ) -> bool:
        """Whether that was once too often, and the slot or its node is closed now.

        Args:
            slot: where it was.
            node: where the slot was.
            cause: what the worker said.
            others: the other slots there.
            refused: whether it would not have its models or tasks.
        """
        self.causes.append(cause)
        failed = self._starts[node]
        failed.append(slot)
        if len(failed) < FAILURES:
            return False
        if set(others) <= set(failed):
            self.closed_nodes[node] = cause
        else:
            self.closed_slots[node] += 1
            failed.clear()
        self._is_sick |= not refused
        return True

    def died_of(self, slot: int, node: str, trial: int, cause: str) -> bool:
        """Whether that was one candidate too many, and the slot is closed now."""
        self.causes.append(cause)
        victims = self._victims[node, slot]
        victims.add(trial)
        if len(victims) < FAILURES:
            return False
        self.closed_slots[node] += 1
        self._is_sick = True
        return True

    def acquit(self, trial: int) -> None:
        """A candidate was set aside as deadly: the slots it died in are not to blame."""
        for victims in self._victims.values():
            victims.discard(trial)
