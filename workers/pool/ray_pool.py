"""A pool of Ray actors: one worker per slot, no generation barrier, and it grows and shrinks.

Ray never restarts an actor (`max_restarts=0`): the pool itself replaces the actor and retries the
candidate, because Ray's own restart hides an out-of-memory kill. A running actor method cannot be
cancelled either, so a hung candidate costs its actor.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError

from evaluators.steps import begin_step
from evaluators.wording import counted
from workers.candidate import Candidate, Outcome
from workers.pool import cluster
from workers.pool.actor import Process, Worker, start_progress
from workers.pool.candidate_queue import CandidateQueue
from workers.pool.deadline import Deadline
from workers.pool.failures import cause_of, is_input_error, log_tail, summary
from workers.pool.health import Health
from workers.pool.metrics import Metrics
from workers.pool.protocol import PoolSettings
from workers.pool.slot import Slot, states
from workers.pool.worker_set import WorkerSet

if TYPE_CHECKING:
    from evaluators.stages import Stages

log = logging.getLogger(__name__)


class RayPool:
    """Workers as Ray actors on a local Ray, or on the cluster at `address`.

    Args:
        worker: creates an actor's worker from the setup, for example `workers.worker.Worker`.
        setup: the argument for each worker.
        settings: size and number of the workers.
        address: the cluster's; "local" starts a Ray on this machine, unless one is connected.
        run: the run's name, for the metrics.

    Raises:
        PoolError: if not a single worker fits, and none may fit later.
    """

    def __init__(
        self,
        worker: Callable[[Any], Worker],
        setup: object,
        settings: PoolSettings,
        address: str = "local",
        run: str = "run",
    ) -> None:
        self._settings = settings
        self._queue = CandidateQueue(settings.retries)
        self._health = Health()
        self._deadline = Deadline(settings.deadline)
        self._owns_ray = cluster.connect(address)
        can_grow = address != "local"
        resources = cluster.worker_resources(settings, can_grow=can_grow)
        self._worker_set = WorkerSet(settings, resources, self._health, can_grow=can_grow)
        self._worker = ray.put(worker)
        self._setup = ray.put(setup)
        self._stages_put: tuple[Stages, ray.ObjectRef] | None = None
        self._metrics = Metrics(run)
        self._worker_set.update()

    @property
    def workers(self) -> int:
        return len(self._worker_set.slots)

    @property
    def free(self) -> int:
        return self._stages()["idle"]  # queued candidates wait for other slots than these

    @property
    def report(self) -> dict[str, Any]:
        stages = self._stages()
        nodes = self._health.closed_nodes.items()
        slots = self._health.closed_slots.items()
        lost = ["workers die before they are placed on a node"] if self._health.is_lost else []
        return {
            "workers": self.workers,
            "starting": stages["starting"] + stages["placing"],
            "busy": stages["busy"],
            "preparing": self._start_progress(),
            "states": states(self._worker_set.slots),
            "troubles": [
                *(f"node {node} is closed: {summary(cause)}" for node, cause in nodes),
                *(f"node {node} has {counted(count, 'closed slot')}" for node, count in slots),
                *lost,
                *self._start_errors(),
            ],
        }

    def submit(self, candidate: Candidate) -> None:
        self._queue.add(candidate)
        self._dispatch()

    def wait(self, seconds: float) -> list[Outcome]:
        with cluster.ray_errors():
            outcomes = self._end_late()
            self._worker_set.update()
            outcomes += self._collect(0.0 if outcomes else seconds)
            self._dispatch()
        for outcome in outcomes:
            self._metrics.outcome(outcome)
        stages = self._stages()
        self._metrics.state(stages["idle"] + stages["busy"], stages["busy"], len(self._queue))
        return outcomes

    def close(self) -> None:
        for slot in self._worker_set.slots:
            ray.kill(slot.actor)
        self._worker_set.slots.clear()
        if self._owns_ray:
            begin_step("stopping Ray")
            ray.shutdown()

    def _stages(self) -> Counter[str]:
        return Counter(slot.stage for slot in self._worker_set.slots)

    def _start_errors(self) -> list[str]:
        """Why a worker could not start, unless that has closed its node."""
        error = self._health.start_error
        is_known = not error or error in self._health.closed_nodes.values()
        return [] if is_known else [f"a worker could not start: {summary(error)}"]

    def _start_progress(self) -> str:
        """The progress of one of the starting workers whose log is on this machine."""
        starting = [slot.process for slot in self._worker_set.slots if slot.stage == "starting"]
        found = (start_progress(process.log) for process in starting if process)
        return next(filter(None, found), "")

    # -- calls of the actors

    def _dispatch(self) -> None:
        for candidate, slot in self._queue.assign(self._worker_set.slots):
            alone = replace(candidate, stages=None)
            pending = slot.actor.evaluate.remote(alone, self._shared(candidate.stages))
            slot.enter("busy", pending, candidate)

    def _shared(self, stages: Stages | None) -> ray.ObjectRef | None:
        """Stages in Ray's object store, where they are put once for all candidates that have them.

        They hold scores per document of several trials, which may be megabytes.
        """
        if stages is None:
            return None
        if self._stages_put is None or self._stages_put[0] is not stages:
            self._stages_put = stages, ray.put(stages)
        return self._stages_put[1]

    def _collect(self, seconds: float) -> list[Outcome]:
        slots = {slot.pending: slot for slot in self._worker_set.slots if slot.pending is not None}
        if not slots:
            time.sleep(min(seconds, 0.1))
            return []
        first, _ = ray.wait(list(slots), num_returns=1, timeout=seconds)
        done, _ = ray.wait(list(slots), num_returns=len(slots), timeout=0) if first else ([], [])
        return [outcome for ref in done if (outcome := self._handle(slots[ref]))]

    def _handle(self, slot: Slot) -> Outcome | None:
        """Handles a finished call; its outcome, if it was an evaluation."""
        try:
            result = ray.get(slot.pending)
        except RayError as error:
            if slot.stage == "starting" and is_input_error(error):
                self._handle_input_error(slot, str(error.cause))
                return None
            return self._handle_death(slot, cause_of(error))
        if slot.stage == "placing":
            self._start(slot, result)
            return None
        seconds = time.monotonic() - slot.since
        stage = slot.stage
        slot.enter("idle", None)
        if stage == "starting":
            self._health.record_start(slot.node)
            log.info("worker %s is ready after %.0f s", slot.process, seconds)
            return None
        self._health.record_outcome(slot.number, slot.node)
        outcome: Outcome = result
        self._deadline.record(seconds, outcome.state)
        self._queue.finish(outcome.trial)
        return outcome

    def _start(self, slot: Slot, process: Process) -> None:
        """Starts the worker of a placed actor, unless its node has enough workers."""
        self._health.record_placed()
        count = sum(other.node == process.node for other in self._worker_set.slots)
        if count >= self._worker_set.capacity().get(process.node, 0):
            self._worker_set.remove(slot)
            self._worker_set.update_soon()  # a worker may be needed on another node
            return
        slot.process = process
        slot.enter("starting", slot.actor.start.remote(self._worker, self._setup))

    # -- failures

    def _end_late(self) -> list[Outcome]:
        """Ends workers that start or evaluate for too long."""
        limits = {"starting": self._settings.start, "busy": self._deadline.seconds}
        outcomes = []
        for slot in [each for each in self._worker_set.slots if each.stage in limits]:
            seconds = time.monotonic() - slot.since
            if seconds > limits[slot.stage]:
                late = f"has not started after {seconds:.0f} s (workers.start)"
                cause = self._deadline.error(seconds) if slot.stage == "busy" else late
                outcomes.append(self._handle_death(slot, cause))
        return [outcome for outcome in outcomes if outcome]

    def _handle_death(self, slot: Slot, cause: str) -> Outcome | None:
        """Ends a slot's actor and retries its candidate; its outcome if that failed for good."""
        candidate = slot.candidate
        lines = log_tail(slot)
        details = f"{cause}\n{lines}" if lines else cause
        log.warning("worker %s died  %s", slot.process or "not yet placed", summary(details))
        self._metrics.death()
        self._worker_set.remove(slot)
        is_closed = self._record_death(slot, candidate, details)
        if slot.process and not is_closed:
            self._worker_set.add(slot.number)
        if slot.process:  # otherwise Ray sent it to a machine that is gone, and will notice later
            self._worker_set.update_soon()
        outcome = self._queue.retry(candidate, slot, details) if candidate else None
        if outcome:
            self._health.excuse(outcome.trial)
        return outcome

    def _handle_input_error(self, slot: Slot, error: str) -> None:
        """Replaces a worker that reported wrong models or tasks; a hub may be down briefly."""
        log.warning("worker %s cannot start  %s", slot.process, summary(error))
        self._worker_set.remove(slot)
        if not self._record_failed_start(slot, error, is_input_error=True):
            self._worker_set.add(slot.number)
        self._worker_set.update_soon()

    def _record_death(self, slot: Slot, candidate: Candidate | None, cause: str) -> bool:
        """Whether that closes the slot or its node."""
        if slot.process is None:
            self._health.record_lost(cause)
            return False
        if candidate is None:
            return self._record_failed_start(slot, f"{slot.process}: {cause}")
        is_closed = self._health.record_death(slot.number, slot.node, candidate.trial, cause)
        if is_closed:
            log.error("a slot of node %s is closed: its workers keep dying", slot.node)
        return is_closed

    def _record_failed_start(self, slot: Slot, cause: str, *, is_input_error: bool = False) -> bool:
        """Whether that closes the slot or its node."""
        others = self._worker_set.neighbours(slot)
        is_closed = self._health.record_failed_start(
            slot.number, slot.node, cause, others, is_input_error=is_input_error
        )
        if is_closed:
            what = "node" if slot.node in self._health.closed_nodes else "a slot of node"
            log.error("%s %s is closed: its workers cannot start", what, slot.node)
        return is_closed
