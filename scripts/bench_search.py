"""Hypervolume by number of evaluations, for every sampler, simulated on landscapes.

    scripts/bench search                              every sampler, the measured landscape, 5 seeds
    scripts/bench search --landscape layers --seeds 3
    scripts/bench search --samplers auto,random --trials 200
    scripts/bench search --speed                      time of an ask: 300 parameters, 5,000 trials
    scripts/bench search --fit                        accuracy of the measured landscape

A replay is a discrete-event simulation: `--workers` candidates run at the same time, each for a
lognormal time with median `--minutes`; an ask sees the trials that are finished at that time.
docs/samplers.md explains the landscapes and discusses the results.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scripts.landscapes import LANDSCAPES, Landscape, load
from search.driver import Baselines, baselines
from search.ledger.trial import Proposal, Trial
from search.objectives import front, hypervolume
from search.results import RunResults
from search.samplers import Auto, Cmaes, Pace, Study
from search.samplers.settings import Evolution, Gp, Nsga2, Nsga3, Random, Tpe
from search.space import Axis

SAMPLERS = {
    "auto": Auto(),
    "evolution": Evolution(),
    "evolution-alone": Evolution(children=1),
    "gp": Gp(),
    "tpe": Tpe(),
    "nsga2": Nsga2(),
    "nsga2-defaults": Nsga2(population=50, crossover="uniform"),
    "nsga3": Nsga3(),
    "cmaes": Cmaes(),
    "random": Random(),
}
MARKS = (25, 50, 100, 200, 300, 600)  # numbers of evaluations at which it is reported


@dataclass
class Replay:
    """One simulated search of one landscape."""

    landscape: Landscape
    name: str
    seed: int
    trials: int
    workers: int
    seconds: float
    finished: list[Trial] = field(default_factory=list)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    asking: float = 0.0
    """CPU seconds spent in asks."""

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(1000 + self.seed)
        self._baselines: Baselines = baselines(self.landscape.space)
        directions = [each.direction for each in self.landscape.objectives]
        self._is_weighted = (
            self.name == "cmaes"
        )  # the mean of all objectives, as in mergekit-evolve
        self._study = Study(
            SAMPLERS[self.name],
            self.landscape.space.axes,
            ["minimize"] if self._is_weighted else directions,
            self.seed,
        )

    def run(self) -> dict[str, float]:
        """The gain in hypervolume over the baselines, at each mark."""
        running: list[tuple[float, int]] = []
        now = 0.0
        while len(self.finished) < self.trials:
            while len(running) < self.workers and len(self.proposals) < self.trials:
                heapq.heappush(running, (now + self._duration(), self._propose()))
            now, number = heapq.heappop(running)
            self._finish(number)
        return self._gains()

    def _duration(self) -> float:
        return float(self.seconds * self._random.lognormal(0.0, 0.4))

    def _propose(self) -> int:
        number = len(self.proposals)
        labels = {each.label for each in self.proposals.values()}
        digests = {each.recipe.digest for each in self.proposals.values()}
        results = RunResults(self.landscape.objectives, self.finished)
        baseline = self._baselines.next(labels, digests, results)
        if baseline is not None:
            self._study.add(baseline.params)
            proposal = Proposal(number, baseline.recipe, baseline.params, baseline.label)
        else:
            start = time.process_time()
            _, params, _ = self._study.ask(Pace(self.workers, self.seconds))
            self.asking += time.process_time() - start
            proposal = Proposal(number, self.landscape.space.recipe(params), params)
        self.proposals[number] = proposal
        return number

    def _finish(self, number: int) -> None:
        proposal = self.proposals[number]
        losses = self.landscape.losses(proposal)
        if not np.isfinite(losses).all():  # the gate rejected this model
            self.finished.append(Trial(proposal, "broken", len(self.finished)))
            self._study.tell(number, None, broken=True)
            return
        scores = {
            each.name: each.sign * loss
            for each, loss in zip(self.landscape.objectives, losses, strict=True)
        }
        self.finished.append(Trial(proposal, "scored", len(self.finished), scores))
        if self._is_weighted:
            self._study.tell(number, [float(self.landscape.normalised(losses).mean())])
        else:
            self._study.tell(number, list(scores.values()))

    def _gains(self) -> dict[str, float]:
        rows = np.array([self.landscape.losses(trial.proposal) for trial in self.finished])
        rows = np.nan_to_num(
            self.landscape.normalised(rows), nan=np.inf
        )  # broken models add nothing
        reference_point = np.full(rows.shape[1], 1.1)
        is_baseline = np.array([trial.label is not None for trial in self.finished])
        start = hypervolume(rows[is_baseline], reference_point)
        marks = [mark for mark in MARKS if mark <= len(rows)]
        found = {
            str(mark): hypervolume(
                np.concatenate([rows[is_baseline], rows[:mark]]), reference_point
            )
            - start
            for mark in marks
        }
        return {**found, "asking": self.asking / max(1, int((~is_baseline).sum())), "first": start}


def one(job: tuple[str, str, int, int, int, float]) -> dict[str, float]:
    """One replay, run in a separate process."""
    landscape, name, *rest = job
    return Replay(load(landscape, rest[0]), name, *rest).run()


def compare(arguments: argparse.Namespace) -> None:
    """Prints a row per sampler: mean ± standard error of the gain at each mark."""
    names = arguments.samplers.split(",")
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    jobs = [
        (
            arguments.landscape,
            name,
            seed,
            arguments.trials,
            arguments.workers,
            60.0 * arguments.minutes,
        )
        for name, seed in itertools.product(names, seeds)
    ]
    marks = [str(mark) for mark in MARKS if mark <= arguments.trials]
    found: dict[str, list[dict[str, float]]] = {}
    with ProcessPoolExecutor(arguments.processes) as pool:
        results = pool.map(one, jobs)
        for name in names:
            found[name] = list(itertools.islice(results, arguments.seeds))
            if name == names[0]:
                _print_header(arguments, found[name][0]["first"], marks)
            cells = [_cell([each[mark] for each in found[name]]) for mark in marks]
            asking = np.mean([each["asking"] for each in found[name]])
            print(
                f"{name:16}" + "".join(f"{cell:>18}" for cell in cells) + f"{asking:14.3f}",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(found))


def _print_header(arguments: argparse.Namespace, first: float, marks: Sequence[str]) -> None:
    print(f"landscape {arguments.landscape}, {arguments.workers} workers, {arguments.seeds} seeds:")
    print(
        f"gain in hypervolume over the baselines ({first:.4f} with the first seed) after N trials"
    )
    print(f"{'sampler':16}" + "".join(f"{mark:>18}" for mark in marks) + f"{'CPU s per ask':>14}")


def _cell(values: Sequence[float]) -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{np.mean(values):.4f} ± {error:.4f}"


def speed() -> None:
    """Times an ask of evolution with 300 parameters and 5,000 trials, and a front of 5,000."""
    random = np.random.default_rng(0)
    axes = {f"x{i}": Axis(f"x{i}") for i in range(295)}
    axes |= {f"c{i}": Axis(f"c{i}", choices=("a", "b", "c")) for i in range(5)}
    study = Study(Evolution(), axes, ["minimize", "maximize"], 0)
    for number in range(5000):
        row = random.random(len(axes))
        study.add(
            {
                name: axis.choices[int(3 * x)] if axis.choices else float(x)
                for (name, axis), x in zip(axes.items(), row, strict=True)
            }
        )
        study.tell(number, random.random(2).tolist())
    study.ask()
    print("ask of evolution, 300 parameters, 5,000 trials:", _timed(study.ask))
    for columns in (2, 3, 4):
        rows = random.random((5000, columns))
        print(f"front of 5,000 trials, {columns} objectives:", _timed(lambda: front(rows)))  # noqa: B023
        ball = np.abs(random.normal(size=(5000, columns)))
        ball = 1 - ball / np.linalg.norm(ball, axis=1)[:, None]
        print("  and when all are on the front:", _timed(lambda: front(ball)))  # noqa: B023


def _timed(call: Callable[[], object], repeats: int = 20) -> str:
    wall, cpu = [], []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    return f"{1000 * np.median(cpu):.1f} ms of CPU, {1000 * np.median(wall):.1f} ms of wall time"


def main() -> None:
    """Runs the benchmark that the options select."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--landscape", choices=LANDSCAPES, default="measured")
    parser.add_argument("--samplers", default=",".join(SAMPLERS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="median duration of an evaluation"
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the results of every replay to this file")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    if unknown := set(arguments.samplers.split(",")) - set(SAMPLERS):
        parser.error(f"unknown samplers {sorted(unknown)}; choose from {', '.join(SAMPLERS)}")
    if arguments.speed:
        speed()
    elif arguments.fit:
        print(load("measured", 0).report())
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
