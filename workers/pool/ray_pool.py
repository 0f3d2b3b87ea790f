"""A pool of Ray actors: one worker per slot, no generation barrier, and it grows and shrinks.

Actors are never restarted by Ray (`max_restarts=0`): the pool itself puts a new one in the slot and
tries the candidate again, because Ray's own restart hides an out-of-memory kill. A running actor
method cannot be cancelled either, so a hung candidate costs its actor.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayError

from workers.candidate import Candidate, Outcome
from workers.pool import cluster
from workers.pool.berth import Place, Works, how_far
from workers.pool.crew import Crew
from workers.pool.death import cause_of, first_line, is_refusal, last_words
from workers.pool.health import Health
from workers.pool.hung import Clockwork
from workers.pool.metrics import Metrics
from workers.pool.protocol import PoolSettings
from workers.pool.slot import Slot, pick

log = logging.getLogger(__name__)


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
        self._waiting: deque[Candidate] = deque()  # those whose workers died go first
        self._deaths: dict[int, list[tuple[str, int]]] = {}  # by trial: nodes and slots
        self._health = Health()
        self._clockwork = Clockwork(settings.deadline)
        self._owns_ray = cluster.connect(address)
        grows = address != "local"
        need = cluster.per_worker(settings, grows=grows)
        self._crew = Crew(settings, need, self._health, grows=grows)
        self._worker = ray.put(worker)
        self._setup = ray.put(setup)
        self._metrics = Metrics(run)
        self._crew.look()

    @property
    def workers(self) -> int:
        return len(self._crew.slots)

    @property
    def free(self) -> int:
        return sum(slot.stage == "idle" for slot in self._crew.slots)  # those who wait want others

    @property
    def report(self) -> dict[str, Any]:
        stages = Counter(slot.stage for slot in self._crew.slots)
        nodes = self._health.closed_nodes.items()
        slots = self._health.closed_slots.items()
        lost = ["workers die on their way to a machine"] if self._health.is_lost else []
        return {
            "workers": len(self._crew.slots),
            "starting": stages["starting"] + stages["placing"],
            "busy": stages["busy"],
            "beginning": self._beginning,
            "troubles": [
                *(f"node {node} is closed: {first_line(cause)}" for node, cause in nodes),
                *(f"{count} slots of node {node} are closed" for node, count in slots),
                *lost,
            ],
        }

    @property
    def _beginning(self) -> str:
        """How far a worker is with its beginning, of those whose log can be read here."""
        places = [slot.place for slot in self._crew.slots if slot.stage == "starting"]
        return next((told for place in places if place and (told := how_far(place.log))), "")

    def submit(self, candidate: Candidate) -> None:
        self._waiting.append(candidate)
        self._dispatch()

    def wait(self, seconds: float) -> list[Outcome]:
        with cluster.ray_errors():
            outcomes = self._end_hung()
            self._crew.look()
            outcomes += self._collect(0.0 if outcomes else seconds)
            self._dispatch()
        for outcome in outcomes:
            self._metrics.outcome(outcome)
        stages = Counter(slot.stage for slot in self._crew.slots)
        self._metrics.state(stages["idle"] + stages["busy"], stages["busy"], len(self._waiting))
        return outcomes

    def close(self) -> None:
        for slot in self._crew.slots:
            ray.kill(slot.actor)
        self._crew.slots.clear()
        if self._owns_ray:
            ray.shutdown()

    # -- what the actors do

    def _dispatch(self) -> None:
        for candidate in list(self._waiting):
            if slot := pick(self._crew.slots, self._deaths.get(candidate.trial, [])):
                self._waiting.remove(candidate)
                slot.does("busy", slot.actor.evaluate.remote(candidate), candidate)

    def _collect(self, seconds: float) -> list[Outcome]:
        busy = {slot.doing: slot for slot in self._crew.slots if slot.doing is not None}
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
            if slot.stage == "starting" and is_refusal(error):
                self._turn_away(slot, str(error.cause))
                return None
            return self._bury(slot, cause_of(error))
        if slot.stage == "placing":
            self._settle(slot, answer)
            return None
        spent = time.monotonic() - slot.since
        stage = slot.stage
        slot.does("idle", None)
        if stage == "starting":
            self._health.began(slot.node)
            log.info("worker %s is ready after %.0f s", slot.place, spent)
            return None
        self._health.works(slot.number, slot.node)
        outcome: Outcome = answer
        self._clockwork.took(spent, outcome.state)
        self._deaths.pop(outcome.trial, None)
        return outcome

    def _settle(self, slot: Slot, place: Place) -> None:
        """Lets an actor begin where it was placed, unless it is one too many there."""
        self._health.placed()
        there = sum(other.node == place.node for other in self._crew.slots)
        if there >= self._crew.rooms().get(place.node, 0):
            self._crew.drop(slot)
            self._crew.look_soon()  # another may be wanted elsewhere
            return
        slot.place = place
        slot.does("starting", slot.actor.begin.remote(self._worker, self._setup))

    def _end_hung(self) -> list[Outcome]:
        limits = {"starting": self._settings.start, "busy": self._clockwork.deadline}
        ends = []
        for slot in [each for each in self._crew.slots if each.stage in limits]:
            spent = time.monotonic() - slot.since
            if spent > limits[slot.stage]:
                is_busy = slot.stage == "busy"
                begins = f"has not begun after {spent:.0f} s (workers.start)"
                ends.append(self._bury(slot, self._clockwork.say(spent) if is_busy else begins))
        return [outcome for outcome in ends if outcome]

    def _bury(self, slot: Slot, cause: str) -> Outcome | None:
        """Ends a slot's actor; its candidate goes to another one a bounded number of times."""
        candidate = slot.candidate
        words = last_words(slot)
        whole = f"{cause}\n{words}" if words else cause
        log.warning("worker %s died  %s", slot.place or "that was to come", first_line(cause))
        self._metrics.death()
        self._crew.drop(slot)
        closed = self._blame(slot, candidate, whole)
        if slot.place and not closed:
            self._crew.add(slot.number)
        if slot.place:  # else it was sent to a machine that is gone, which Ray will know by and by
            self._crew.look_soon()
        return self._again(candidate, slot, whole) if candidate else None

    def _turn_away(self, slot: Slot, reason: str) -> None:
        """Ends a worker that would not have its models or tasks; a hub may only be out for now."""
        log.warning("worker %s cannot begin  %s", slot.place, first_line(reason))
        self._crew.drop(slot)
        if not self._could_not_begin(slot, reason, refused=True):
            self._crew.add(slot.number)
        self._crew.look_soon()

    def _blame(self, slot: Slot, candidate: Candidate | None, cause: str) -> bool:
        if slot.place is None:
            self._health.lost(cause)
            return False
        if candidate is None:
            return self._could_not_begin(slot, f"{slot.place}: {cause}")
        closed = self._health.died_of(slot.number, slot.node, candidate.trial, cause)
        if closed:
            log.error("a slot of node %s is closed: its workers keep dying", slot.node)
        return closed

    def _could_not_begin(self, slot: Slot, cause: str, *, refused: bool = False) -> bool:
        others = self._crew.beside(slot)
        closed = self._health.could_not_begin(
            slot.number, slot.node, cause, others, refused=refused
        )
        if closed:
            is_whole = slot.node in self._health.closed_nodes
            what = "node" if is_whole else "a slot of node"
            log.error("%s %s is closed: its workers cannot begin", what, slot.node)
        return closed

    def _again(self, candidate: Candidate, slot: Slot, cause: str) -> Outcome | None:
        deaths = self._deaths.setdefault(candidate.trial, [])
        deaths.append((slot.node, slot.number))
        if len(deaths) <= self._settings.retries:
            self._waiting.appendleft(candidate)
            return None
        self._health.acquit(candidate.trial)
        self._deaths.pop(candidate.trial)
        count = len(deaths)
        return Outcome(candidate.trial, "failed", cause=f"its worker died {count} times: {cause}")
