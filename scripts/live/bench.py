"""Runs searches of live families in parallel processes; each is recorded as soon as it is done."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from scripts.live.families import FAMILIES
from scripts.live.record import Key, Record, record
from scripts.live.replay import Replay, SlowAskError
from scripts.live.scoring import LiveFamily
from scripts.samplers import SAMPLERS
from search.results import RunResults

GP_AXES = 60  # beyond which one ask of Optuna's Gaussian process takes minutes


@dataclass(frozen=True)
class Job:
    """One search.

    Args:
        ask_limit: CPU seconds that one ask may take; a sampler that takes more is left out.
        cache: the folder of all families.
    """

    family: str
    sampler: str
    seed: int
    trials: int
    ask_limit: float
    cache: Path

    @property
    def key(self) -> Key:
        """The unique key of its record."""
        return self.family, self.sampler, self.seed, self.trials


@dataclass(frozen=True)
class Summary:
    """A family that is made, and its baselines.

    Args:
        first: label -> scores, the mean over the objectives, seconds, and why it is broken.
        hypervolume: of the baselines.
    """

    family: str
    axes: int
    parameters: int
    first: dict[str, tuple[dict[str, float], float | None, float, str | None]]
    hypervolume: float


def run(jobs: Sequence[Job], processes: int) -> Iterator[Record]:
    """The records of searches as they finish."""
    with _pool(processes) as pool:
        for done in as_completed([pool.submit(search, job) for job in jobs]):
            yield done.result()


def make(families: Iterable[str], cache: Path, processes: int) -> Iterator[Summary]:
    """Makes families that are not made yet, and scores the baselines of each."""
    with _pool(processes) as pool:
        names = list(families)
        yield from pool.map(summarise, names, [cache] * len(names))


def search(job: Job) -> Record:
    """One search, in this process."""
    if reason := _reason_to_leave_out(job):
        return _left_out(job, reason)
    live = opened(job.family, job.cache)
    replay = _replay(live, job)
    try:
        trials = replay.run(job.trials)
    except SlowAskError as slow:
        return _left_out(job, str(slow))
    return record(live.family, job.sampler, job.seed, trials, replay.ask_seconds)


def summarise(name: str, cache: Path) -> Summary:
    """Scores the baselines of a family, as every search of it does."""
    live = opened(name, cache)
    replay = _replay(live, Job(name, "random", 0, 0, 60.0, cache))
    trials = replay.run_baselines()
    results = RunResults(live.objectives, trials)
    first = {
        str(trial.label): (
            dict(trial.scores),
            results.mean(trial) if trial.scores else None,
            live.score(trial.proposal.recipe).seconds,
            trial.cause,
        )
        for trial in trials
    }
    return Summary(name, len(live.space.axes), live.parameters, first, results.history[-1])


@lru_cache(maxsize=1)  # jobs come family after family, and each holds all its models
def opened(name: str, cache: Path) -> LiveFamily:
    """A family, made if need be, with a worker that stays in this process."""
    return LiveFamily(FAMILIES[name], cache)


def _replay(live: LiveFamily, job: Job) -> Replay:
    live.scores.read()  # what other processes have scored since
    return Replay(
        space=live.space,
        objectives=live.objectives,
        baselines=live.baselines(),
        score=live.score,
        anchors=live.anchors,
        sampler=SAMPLERS[job.sampler],
        seed=job.seed,
        workers=live.family.workers,
        ask_limit=job.ask_limit,
    )


def _reason_to_leave_out(job: Job) -> str | None:
    if job.sampler != "gp":
        return None
    axes = len(opened(job.family, job.cache).space.axes)
    return f"{axes} parameters, and gp is for {GP_AXES} at most" if axes > GP_AXES else None


def _left_out(job: Job, reason: str) -> Record:
    digest = FAMILIES[job.family].digest
    return Record(job.family, digest, job.sampler, job.seed, job.trials, reason)


def _pool(processes: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # torch does not survive a fork
    return ProcessPoolExecutor(processes, context, _begin)


def _begin() -> None:
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
