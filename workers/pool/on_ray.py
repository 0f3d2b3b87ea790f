"""A pool of Ray actors: one worker per slot, no generation barrier, and it grows and shrinks.

Actors are never restarted by Ray (`max_restarts=0`): the pool itself puts a new one in the slot and
tries the candidate again, because Ray's own restart hides an out-of-memory kill. A running actor
method cannot be cancelled either, so a hung candidate costs its actor.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeGuard

import ray
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from workers.candidate import Candidate, Outcome
from workers.pool import cluster
from workers.pool.berth import Berth, Place, Works, tail
from workers.pool.health import Health
from workers.pool.hung import Clockwork
from workers.pool.metrics import Metrics
from workers.pool.protocol import PoolError, PoolSettings, SetupError

log = logging.getLogger(__name__)

LOOK = 5.0  # seconds between two looks at the cluster's machines
TAIL_WAIT = 5.0  # seconds that a dead worker's log is waited for
NOWHERE = ""  # the node of a worker that died before it knew where it was

Stage = Literal["placing", "starting", "idle", "busy"]


@dataclass
class Slot:
    """A place for one worker: the actor in it and what that actor is doing."""

    number: int
    actor: Any
    doing: Any
    """The reference to wait for; None when idle."""
    stage: Stage = "placing"
    place: Place | None = None
    candidate: Candidate | None = None
    since: float = field(default_factory=time.monotonic)

    @property
    def node(self) -> str:
        """Where the actor lives, as far as it is known."""
        return self.place.node if self.place else NOWHERE

    def does(self, stage: Stage, doing: Any, candidate: Candidate | None = None) -> None:
        """What the actor does from now on."""
        self.stage, self.doing, self.candidate = stage, doing, candidate
        self.since = time.monotonic()


class RayPool:
    """Workers as Ray actors on a local Ray, or on the cluster at `address`.

    Args:
        worker: makes what lives in an actor from the setup; `workers.worker.Worker` for instance.
        setup: what each of them begins with.
        settings: their size and number.
        address: of the cluster; "local" starts a Ray of one's own, unless one runs already.
        run: the run's name, for the metrics.

    Raises:
        PoolError: if there is no room for a single worker, nor any to be expected.
    """

    def __init__(
        self,
        worker: Callable[[Any], Works],
        setup: object,
        settings: PoolSettings,
        address: str = "local",
        run: str = "run",
    ) -> None:
        self._settings = settings
        self._waiting: deque[Candidate] = deque()  # their workers died, they go first
        self._deaths: dict[int, list[str]] = {}  # by trial: the nodes where its workers died
        self._health = Health()
        self._clockwork = Clockwork(settings.deadline)
        self._numbers = itertools.count()
        self._slots: list[Slot] = []
        self._looked = -LOOK
        self._roomless: float | None = None
        self._owns_ray = cluster.connect(address)
        self._grows = address != "local"
        self._need = cluster.per_worker(settings)
        self._worker = ray.put(worker)
        self._setup = ray.put(setup)
        self._metrics = Metrics(run)
        if not self._wanted():
            raise cluster.no_room(self._need)
        self._look()

    @property
    def workers(self) -> int:
        return len(self._slots)

    @property
    def free(self) -> int:
        idle = sum(slot.stage == "idle" for slot in self._slots)
        return max(0, idle - len(self._waiting))

    @property
    def report(self) -> dict[str, Any]:
        stages = Counter(slot.stage for slot in self._slots)
        nodes = self._health.closed_nodes.items()
        slots = self._health.closed_slots.items()
        return {
            "workers": len(self._slots),
            "starting": stages["starting"] + stages["placing"],
            "busy": stages["busy"],
            "troubles": [
                *(f"node {node or 'unknown'} is closed: {_first(cause)}" for node, cause in nodes),
                *(f"{count} slots of node {node} are closed" for node, count in slots),
            ],
        }

    def submit(self, candidate: Candidate) -> None:
        self._waiting.append(candidate)
        self._dispatch()

    def wait(self, seconds: float) -> list[Outcome]:
        with cluster.ray_errors():
            outcomes = self._end_hung()
            self._look()
            outcomes += self._collect(0.0 if outcomes else seconds)
            self._dispatch()
        stages = Counter(slot.stage for slot in self._slots)
        self._metrics.state(stages["idle"] + stages["busy"], stages["busy"], len(self._waiting))
        return outcomes

    def close(self) -> None:
        for slot in self._slots:
            ray.kill(slot.actor)
        self._slots.clear()
        if self._owns_ray:
            ray.shutdown()

    # -- how many workers, and where

    def _look(self) -> None:
        """Now and then: machines come and go, and so do slots."""
        if time.monotonic() - self._looked < LOOK:
            return
        self._looked = time.monotonic()
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        for slot in [each for each in self._slots if each.place and each.stage != "busy"]:
            if slot.node not in alive:
                log.warning("node %s is gone, and worker %s with it", slot.node, slot.place)
                self._drop(slot)
        wanted = self._wanted()
        while len(self._slots) > wanted and (spare := self._spare()):
            self._drop(spare)
        while len(self._slots) < wanted:
            self._add()
        self._check_hope()

    def _wanted(self) -> int:
        """How many workers there should be; on a cluster more than fit, for its autoscaler."""
        rooms = self._rooms()
        total, most = sum(rooms.values()), self._settings.max
        if most is None:
            return total
        closed = self._health.closed_nodes or self._health.closed_slots
        is_hopeless = not total and closed
        return most if self._grows and not is_hopeless else min(most, total)

    def _rooms(self) -> dict[str, int]:
        """How many workers each node that is not closed has room for."""
        if NOWHERE in self._health.closed_nodes:
            return {}
        rooms = cluster.room(self._need, self._settings.per_node)
        closed = self._health.closed_slots
        return {
            node: max(0, count - closed.get(node, 0))
            for node, count in rooms.items()
            if node not in self._health.closed_nodes
        }

    def _check_hope(self) -> None:
        """Raises when nothing can work any more, or no machine has come for too long."""
        if any(slot.place for slot in self._slots):
            self._roomless = None
            return
        if not self._slots and (self._health.closed_nodes or self._health.closed_slots):
            if self._health.is_all_refused:
                raise SetupError(f"no worker can begin: {self._last_words}")
            raise PoolError(f"no worker can work any more; the last one said:\n{self._last_words}")
        now = time.monotonic()
        self._roomless = self._roomless or now
        if now - self._roomless > self._settings.room:
            raise PoolError(f"no machine for a worker since {now - self._roomless:.0f} s")

    @property
    def _last_words(self) -> str:
        return self._health.causes[-1]

    def _spare(self) -> Slot | None:
        """A slot that can go without losing a candidate."""
        for stage in ("placing", "starting", "idle"):
            for slot in reversed(self._slots):
                if slot.stage == stage:
                    return slot
        return None

    def _add(self, number: int | None = None) -> None:
        actor = self._actor()
        number = next(self._numbers) if number is None else number
        self._slots.append(Slot(number, actor, actor.where.remote()))

    def _drop(self, slot: Slot) -> None:
        ray.kill(slot.actor)
        self._slots.remove(slot)

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
            there = Counter(slot.node for slot in self._slots)
            full = [node for node, count in self._rooms().items() if there[node] >= count]
        return [node for node in {*full, *self._health.closed_nodes} if node != NOWHERE]

    # -- what the actors do

    def _dispatch(self) -> None:
        while self._waiting and (slot := self._best(self._waiting[0])):
            candidate = self._waiting.popleft()
            slot.does("busy", slot.actor.evaluate.remote(candidate), candidate)

    def _best(self, candidate: Candidate) -> Slot | None:
        """An idle slot, rather not on a node where the candidate's worker died."""
        idle = [slot for slot in self._slots if slot.stage == "idle"]
        bad = self._deaths.get(candidate.trial, [])
        return min(idle, key=lambda slot: slot.node in bad, default=None)

    def _collect(self, seconds: float) -> list[Outcome]:
        busy = {slot.doing: slot for slot in self._slots if slot.doing is not None}
        if not busy:
            time.sleep(min(seconds, 0.1))
            return []
        first, _ = ray.wait(list(busy), num_returns=1, timeout=seconds)
        done, _ = ray.wait(list(busy), num_returns=len(busy), timeout=0) if first else ([], [])
        return [outcome for ref in done if (outcome := self._take(busy[ref]))]

    def _take(self, slot: Slot) -> Outcome | None:
        """The outcome of a slot that is done, or None if a worker was placed, began or died."""
        try:
            answer = ray.get(slot.doing)
        except RayError as error:
            if slot.stage == "starting" and _is_refusal(error):
                self._close(slot, str(error.cause))
                return None
            return self._bury(slot, _cause(error))
        if slot.stage == "placing":
            self._settle(slot, answer)
            return None
        self._health.works(slot.number, slot.node)
        spent = time.monotonic() - slot.since
        stage = slot.stage
        slot.does("idle", None)
        if stage == "starting":
            log.info("worker %s is ready after %.0f s", slot.place, spent)
            return None
        self._clockwork.took(spent)
        outcome: Outcome = answer
        self._metrics.outcome(outcome)
        self._deaths.pop(outcome.trial, None)
        return outcome

    def _settle(self, slot: Slot, place: Place) -> None:
        """Lets an actor begin where it was placed, unless it is one too many there."""
        there = sum(other.node == place.node for other in self._slots)
        if there >= self._rooms().get(place.node, 0):
            self._drop(slot)
            self._looked = -LOOK  # another may be wanted elsewhere
            return
        slot.place = place
        slot.does("starting", slot.actor.begin.remote(self._worker, self._setup))

    def _end_hung(self) -> list[Outcome]:
        deadline = self._clockwork.deadline
        ends = []
        for slot in [each for each in self._slots if each.stage == "busy"]:
            spent = time.monotonic() - slot.since
            if spent > deadline:
                ends.append(self._bury(slot, self._clockwork.say(spent)))
        return [outcome for outcome in ends if outcome]

    def _bury(self, slot: Slot, cause: str) -> Outcome | None:
        """Ends a slot's actor; its candidate goes to another one a bounded number of times."""
        candidate, node = slot.candidate, slot.node
        words = self._tail(slot)
        whole = f"{cause}\n{words}" if words else cause
        log.warning("worker %s died  %s", slot.place or "that was to come", _first(cause))
        self._metrics.death()
        self._drop(slot)
        closed = self._blame(slot, node, candidate, whole)
        if not closed:
            self._add(slot.number)
        self._looked = -LOOK
        return self._again(candidate, node, whole) if candidate else None

    def _close(self, slot: Slot, reason: str) -> None:
        """Ends a slot whose worker would not have its models or tasks, and its node with it."""
        log.error("worker %s cannot begin  %s", slot.place, _first(reason))
        self._drop(slot)
        self._health.could_not_begin(slot.node, reason, refused=True)
        self._looked = -LOOK

    def _blame(self, slot: Slot, node: str, candidate: Candidate | None, cause: str) -> bool:
        if candidate is None:
            where = f"{slot.place}: " if slot.place else ""
            closed = self._health.could_not_begin(node, f"{where}{cause}")
            if closed:
                log.error("node %s is closed: its workers cannot begin", node or "unknown")
            return closed
        closed = self._health.died_of(slot.number, node, candidate.trial, cause)
        if closed:
            log.error("a slot of node %s is closed: its workers keep dying", node)
        return closed

    def _again(self, candidate: Candidate, node: str, cause: str) -> Outcome | None:
        deaths = self._deaths.setdefault(candidate.trial, [])
        deaths.append(node)
        if len(deaths) <= self._settings.retries:
            self._waiting.appendleft(candidate)
            return None
        self._health.acquit(candidate.trial)
        self._deaths.pop(candidate.trial)
        count = len(deaths)
        return Outcome(candidate.trial, "failed", cause=f"its worker died {count} times: {cause}")

    def _tail(self, slot: Slot) -> str:
        """The last lines of a dead worker's log, if its machine still answers."""
        if slot.place is None:
            return ""
        if Path(slot.place.log).is_file():
            return tail(slot.place.log)
        there = NodeAffinitySchedulingStrategy(slot.node, soft=False)
        read = ray.remote(num_cpus=0, max_retries=0)(tail).options(scheduling_strategy=there)
        try:
            words: str = ray.get(read.remote(slot.place.log), timeout=TAIL_WAIT)
        except RayError:
            return ""
        return words


def _cause(error: RayError) -> str:
    if isinstance(error, OutOfMemoryError):
        return f"out of memory, and Ray ended its process: {error}".strip()
    if isinstance(error, RayTaskError):
        return f"{type(error.cause).__name__}: {error.cause}"
    if isinstance(error, RayActorError):
        return f"its process or its machine died: {error}".strip()
    return f"{type(error).__name__}: {error}".strip()


def _is_refusal(error: RayError) -> TypeGuard[RayTaskError]:
    """Whether a worker said that its input is wrong."""
    return isinstance(error, RayTaskError) and isinstance(error.cause, ValueError)


def _first(cause: str) -> str:
    return cause.splitlines()[0] if cause else ""
