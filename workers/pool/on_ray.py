"""A pool of Ray actors: one worker per slot, no generation barrier, a dead worker replaced.

Actors are never restarted by Ray (`max_restarts=0`): the pool itself puts a new one in the slot and
tries the candidate again, because Ray's own restart hides an out-of-memory kill.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from workers.candidate import Candidate, Outcome
from workers.pool.protocol import PoolError, PoolSettings

log = logging.getLogger(__name__)

SLOT_FAILURES = 3  # a slot whose workers die this often in a row is closed


@dataclass
class Slot:
    """A place for one worker: the actor in it and what that actor is doing."""

    actor: Any
    doing: Any
    """The reference to wait for: of the start, or of a candidate; None when idle."""
    candidate: Candidate | None = None
    failures: int = 0


class RayPool:
    """Workers as Ray actors on a local Ray, or on the cluster at `address`.

    Args:
        worker: the class of the actors, `workers.worker.Worker` or one that looks like it.
        setup: what each of them begins with.
        settings: their size and number.
        address: of the cluster; "local" starts a Ray of one's own, unless one runs already.

    Raises:
        PoolError: if there is no room for a single worker.
    """

    def __init__(
        self, worker: type, setup: object, settings: PoolSettings, address: str = "local"
    ) -> None:
        self._worker = worker
        self._settings = settings
        self._setup = setup
        self._waiting: deque[Candidate] = deque()  # their workers died, they go first
        self._attempts: dict[int, int] = {}
        self._causes: list[str] = []
        self._owns_ray = _start_ray(address)
        self._resources = _per_worker(settings)
        count = _how_many(self._resources, settings.max)
        self._slots = [Slot(*self._start()) for _ in range(count)]

    @property
    def workers(self) -> int:
        return len(self._slots)

    @property
    def free(self) -> int:
        idle = sum(slot.doing is None for slot in self._slots)
        return max(0, idle - len(self._waiting))

    def submit(self, candidate: Candidate) -> None:
        self._waiting.append(candidate)
        self._dispatch()

    def wait(self, seconds: float) -> list[Outcome]:
        if not self._slots:
            raise PoolError("no worker can work any more; the last one said:\n" + self._causes[-1])
        busy = {slot.doing: slot for slot in self._slots if slot.doing is not None}
        if not busy:
            return []
        done, _ = ray.wait(list(busy), num_returns=1, timeout=seconds)
        outcomes = [outcome for ref in done if (outcome := self._take(busy[ref]))]
        self._dispatch()
        return outcomes

    def close(self) -> None:
        for slot in self._slots:
            ray.kill(slot.actor)
        self._slots.clear()
        if self._owns_ray:
            ray.shutdown()

    def _start(self) -> tuple[Any, Any]:
        threads = str(max(1, int(self._resources["num_cpus"])))
        environment = {"OMP_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false"}
        actor_class = ray.remote(**self._resources, max_restarts=0, max_task_retries=0)(
            self._worker
        )
        actor = actor_class.options(runtime_env={"env_vars": environment}).remote(self._setup)
        return actor, actor.ready.remote()

    def _dispatch(self) -> None:
        for slot in self._slots:
            if self._waiting and slot.doing is None:
                slot.candidate = self._waiting.popleft()
                slot.doing = slot.actor.evaluate.remote(slot.candidate)

    def _take(self, slot: Slot) -> Outcome | None:
        """The outcome of a slot that is done, or None if a worker began or died."""
        reference, slot.doing = slot.doing, None
        candidate, slot.candidate = slot.candidate, None
        try:
            answer = ray.get(reference)
        except RayError as error:
            return self._bury(slot, candidate, error)
        slot.failures = 0
        return answer if isinstance(answer, Outcome) else None

    def _bury(self, slot: Slot, candidate: Candidate | None, error: RayError) -> Outcome | None:
        """Replaces a dead worker; its candidate goes to another one a bounded number of times."""
        cause = _cause(error)
        self._causes.append(cause)
        slot.failures += 1
        log.warning("worker died  failures=%d  %s", slot.failures, cause.splitlines()[0])
        ray.kill(slot.actor)
        if slot.failures >= SLOT_FAILURES:
            self._slots.remove(slot)
            log.error("slot closed after %d failures in a row", slot.failures)
        else:
            slot.actor, slot.doing = self._start()
        return self._again(candidate, cause) if candidate else None

    def _again(self, candidate: Candidate, cause: str) -> Outcome | None:
        tries = self._attempts[candidate.trial] = self._attempts.get(candidate.trial, 0) + 1
        if tries <= self._settings.retries:
            self._waiting.appendleft(candidate)
            return None
        return Outcome(candidate.trial, "failed", cause=f"its worker died {tries} times: {cause}")


def _start_ray(address: str) -> bool:
    """Connects unless this process is connected; whether it has to disconnect."""
    if ray.is_initialized():
        return False
    # from Ray 2.60 on, a process without GPUs of its own sees none, as it will be the default
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(
        address=address,
        include_dashboard=False if address == "local" else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    return True


def _per_worker(settings: PoolSettings) -> dict[str, float]:
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    gpus = settings.gpus if settings.gpus is not None else float(has_gpus)
    cpus = settings.cpus if settings.cpus is not None else (1.0 if gpus else 2.0)
    return {"num_gpus": gpus, "num_cpus": cpus}


def _how_many(resources: dict[str, float], most: int | None) -> int:
    """As many workers as the cluster has room for, `most` at most."""
    have = ray.cluster_resources()
    room = have.get("CPU", 0) / resources["num_cpus"]
    if resources["num_gpus"]:
        room = min(room, have.get("GPU", 0) / resources["num_gpus"])
    count = min(int(room), most or int(room))
    if count < 1:
        raise PoolError(
            f"no room for a worker: it wants {resources['num_cpus']:g} CPUs and "
            f"{resources['num_gpus']:g} GPUs, Ray has {have.get('CPU', 0):g} and "
            f"{have.get('GPU', 0):g}; make workers.cpus or workers.gpus smaller"
        )
    return count


def _cause(error: RayError) -> str:
    if isinstance(error, RayTaskError):
        return str(error.cause)
    return f"{type(error).__name__}: {error}".strip()
