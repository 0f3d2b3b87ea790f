"""How many workers there are, and on which machines."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import ray

from workers.pool import cluster
from workers.pool.berth import Berth
from workers.pool.health import Health
from workers.pool.protocol import PoolError, PoolSettings, SetupError
from workers.pool.slot import Slot

log = logging.getLogger(__name__)

LOOK = 5.0  # seconds between two looks at the cluster's machines


class Crew:
    """The slots of a pool, as many as there is room for.

    Args:
        settings: size and number of the workers.
        need: Ray's resources of one of them.
        health: which nodes and slots are closed.
        grows: whether there are machines to come, or only this one.

    Raises:
        PoolError: if there is no room for a single worker, nor any to be expected.
    """

    def __init__(
        self,
        settings: PoolSettings,
        need: Mapping[str, float],
        health: Health,
        *,
        grows: bool,
    ) -> None:
        self.slots: list[Slot] = []
        self._settings, self._need, self._health, self._grows = settings, need, health, grows
        self._numbers = itertools.count()
        self._looked = -LOOK
        self._roomless: float | None = None
        if not self.wanted():
            raise cluster.no_room(need, grows=grows)

    def look(self) -> None:
        """Now and then: machines come and go, and so do slots.

        Raises:
            PoolError: if nothing can work any more, or no machine has come for too long.
        """
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for slot in [each for each in self.slots if each.place and each.stage != "busy"]:
            if slot.node not in alive:
                log.warning("node %s is gone, and worker %s with it", slot.node, slot.place)
                self.drop(slot)
        wanted = self.wanted()
        while len(self.slots) > wanted and (spare := self._spare()):
            self.drop(spare)
        while len(self.slots) < wanted:
            self.add()
        self._check_hope()

    def wanted(self) -> int:
        """How many workers there should be; on a cluster more than fit, for its autoscaler."""
        rooms = self.rooms()
        total, most = sum(rooms.values()), self._settings.max
        if most is None:
            return total
        is_hopeless = not total and self._health.has_closed
        return most if self._grows and not is_hopeless else min(most, total)

    def rooms(self) -> dict[str, int]:
        """How many workers each node that is not closed has room for."""
        rooms = cluster.room(self._need, self._settings.per_node)
        closed = self._health.closed_slots
        return {
            node: max(0, count - closed.get(node, 0))
            for node, count in rooms.items()
            if node not in self._health.closed_nodes
        }

    def _check_hope(self) -> None:
        if any(slot.place for slot in self.slots):
            self._roomless = None
            return
        if self._health.is_lost or (not self.slots and self._health.has_closed):
            words = self._health.causes[-1]
            if self._health.is_all_refused:
                raise SetupError(f"no worker can begin: {words}")
            raise PoolError(f"no worker can work any more; the last one said:\n{words}")
        now = time.monotonic()
        self._roomless = self._roomless or now
        if now - self._roomless > self._settings.room:
            raise PoolError(f"no machine for a worker since {now - self._roomless:.0f} s")

    def _spare(self) -> Slot | None:
        """A slot that can go without losing a candidate, rather on a closed node than elsewhere."""
        stages = ("placing", "starting", "idle")
        able = [slot for slot in reversed(self.slots) if slot.stage in stages]
        closed = self._health.closed_nodes
        return min(
            able, key=lambda slot: (slot.node not in closed, stages.index(slot.stage)), default=None
        )

    def beside(self, slot: Slot) -> list[int]:
        """The numbers of the other slots on its node."""
        return [each.number for each in self.slots if each is not slot and each.node == slot.node]

    def look_soon(self) -> None:
        """Makes the next look one that does not wait: something has changed."""
        self._looked = -LOOK

    def add(self, number: int | None = None) -> None:
        """Asks for one more actor, in a new slot or in one whose worker died."""
        actor = self._actor()
        number = next(self._numbers) if number is None else number
        self.slots.append(Slot(number, actor, actor.where.remote()))

    def drop(self, slot: Slot) -> None:
        """Ends a slot's actor, and the slot."""
        ray.kill(slot.actor)
        self.slots.remove(slot)

    def _actor(self) -> Any:
        threads = str(max(1, int(self._need["num_cpus"])))
        given = self._settings.runtime_env or {}
        environment = {
            "OMP_NUM_THREADS": threads,
            "TOKENIZERS_PARALLELISM": "false",
            **given.get("env_vars", {}),
        }
        options: dict[str, Any] = {**self._need, "max_restarts": 0, "max_task_retries": 0}
        if avoided := self._avoided():
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(avoided)})"}
        return (
            ray.remote(Berth)
            .options(runtime_env={**given, "env_vars": environment}, **options)
            .remote()
        )

    def _avoided(self) -> list[str]:
        """Nodes where no further worker should go."""
        full: list[str] = []
        if self._settings.per_node or self._health.closed_slots:
            there = Counter(slot.node for slot in self.slots)
            full = [node for node, count in self.rooms().items() if there[node] >= count]
        return list({*full, *self._health.closed_nodes})
