"""The set of workers: how many there are, and on which nodes."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import ray

from workers.pool import cluster
from workers.pool.actor import WorkerActor
from workers.pool.health import Health
from workers.pool.protocol import PoolError, PoolSettings, SetupError
from workers.pool.slot import Slot

log = logging.getLogger(__name__)

PERIOD = 5.0  # seconds between two comparisons with the cluster's nodes


class WorkerSet:
    """The slots of a pool, as many as the cluster has capacity for.

    Args:
        settings: size and number of the workers.
        resources: Ray's resources for one worker.
        health: which nodes and slots are closed.
        can_grow: whether more machines may join.

    Raises:
        PoolError: if not a single worker fits, and none may fit later.
    """

    def __init__(
        self,
        settings: PoolSettings,
        resources: Mapping[str, float],
        health: Health,
        *,
        can_grow: bool,
    ) -> None:
        self.slots: list[Slot] = []
        self._settings, self._health = settings, health
        self._resources, self._can_grow = resources, can_grow
        self._numbers = itertools.count()
        self._last_update = -PERIOD
        self._empty_since: float | None = None
        if not self.target():
            raise cluster.no_capacity(resources, can_grow=can_grow)

    def update(self) -> None:
        """Adds and removes slots as nodes join and leave, at most once per `PERIOD`.

        Raises:
            PoolError: if no worker can start any more, or no machine has joined for too long.
        """
        if time.monotonic() - self._last_update < PERIOD:
            return
        self._last_update = time.monotonic()
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for slot in [each for each in self.slots if each.process and each.stage != "busy"]:
            if slot.node not in alive:
                log.warning("worker %s lost: its node %s left", slot.process, slot.node)
                self.remove(slot)
        target = self.target()
        while len(self.slots) > target and (spare := self._removable()):
            self.remove(spare)
        while len(self.slots) < target:
            self.add()
        self._check()

    def update_soon(self) -> None:
        """Makes the next update immediate, because something has changed."""
        self._last_update = -PERIOD

    def target(self) -> int:
        """How many workers there should be; on a cluster more than fit, for its autoscaler."""
        total, most = sum(self.capacity().values()), self._settings.max
        if most is None:
            return total
        is_closed = not total and self._health.has_closed
        return most if self._can_grow and not is_closed else min(most, total)

    def capacity(self) -> dict[str, int]:
        """How many workers fit on each node that is not closed."""
        closed = self._health.closed_slots
        return {
            node: max(0, count - closed.get(node, 0))
            for node, count in cluster.capacity(self._resources, self._settings.per_node).items()
            if node not in self._health.closed_nodes
        }

    def neighbours(self, slot: Slot) -> list[int]:
        """The numbers of the other slots on its node."""
        return [each.number for each in self.slots if each is not slot and each.node == slot.node]

    def add(self, number: int | None = None) -> None:
        """Requests an actor, in a new slot or in the slot of a worker that died."""
        actor = self._request_actor()
        number = next(self._numbers) if number is None else number
        self.slots.append(Slot(number, actor, actor.process.remote()))

    def remove(self, slot: Slot) -> None:
        """Ends a slot and its actor."""
        ray.kill(slot.actor)
        self.slots.remove(slot)

    def _check(self) -> None:
        if any(slot.process for slot in self.slots):
            self._empty_since = None
            return
        if self._health.is_lost or (not self.slots and self._health.has_closed):
            cause = self._health.causes[-1]
            if self._health.only_input_errors:
                raise SetupError(f"no worker can start: {cause}")
            raise PoolError(f"all workers have failed; the last error is:\n{cause}")
        now = time.monotonic()
        self._empty_since = self._empty_since or now
        if now - self._empty_since > self._settings.room:
            raise PoolError(f"no machine for a worker since {now - self._empty_since:.0f} s")

    def _removable(self) -> Slot | None:
        """A slot without a candidate, on a closed node if there is one."""
        stages = ("placing", "starting", "idle")
        slots = [slot for slot in reversed(self.slots) if slot.stage in stages]
        closed = self._health.closed_nodes
        return min(
            slots,
            key=lambda slot: (slot.node not in closed, stages.index(slot.stage)),
            default=None,
        )

    def _request_actor(self) -> Any:
        runtime_env = self._settings.runtime_env or {}
        environment = {
            "OMP_NUM_THREADS": str(max(1, int(self._resources["num_cpus"]))),
            "TOKENIZERS_PARALLELISM": "false",
            **runtime_env.get("env_vars", {}),
        }
        options: dict[str, Any] = {**self._resources, "max_restarts": 0, "max_task_retries": 0}
        if excluded := self._excluded_nodes():
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(excluded)})"}
        options["runtime_env"] = {**runtime_env, "env_vars": environment}
        return ray.remote(WorkerActor).options(**options).remote()

    def _excluded_nodes(self) -> list[str]:
        """Nodes that must not get another worker."""
        full: list[str] = []
        if self._settings.per_node or self._health.closed_slots:
            counts = Counter(slot.node for slot in self.slots)
            full = [node for node, limit in self.capacity().items() if counts[node] >= limit]
        return list({*full, *self._health.closed_nodes})
