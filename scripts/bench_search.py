"""Hypervolume against evaluations for every sampler, replayed on landscapes in seconds.

    scripts/bench search                              every sampler, the measured landscape, 5 seeds
    scripts/bench search --landscape layers --seeds 3
    scripts/bench search --samplers auto,random --trials 200
    scripts/bench search --speed                      one ask at 300 parameters and 5,000 trials
    scripts/bench search --fit                        how true the measured landscape is

A replay is a discrete-event simulation: `--workers` candidates under way, each taking a lognormal
time around `--minutes`; an ask sees what was finished when it was begun. docs/samplers.md explains
the landscapes and reads the figures.
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
MARKS = (25, 50, 100, 200, 300, 600)  # evaluations at which the hypervolume is taken


@dataclass
class Replay:
    """One search of one landscape."""

    landscape: Landscape
    name: str
    seed: int
    trials: int
    workers: int
    seconds: float
    finished: list[Trial] = field(default_factory=list)
    proposals: dict[int, Proposal] = field(default_factory=dict)
    asking: float = 0.0
    """CPU seconds in asks."""

    def __post_init__(self) -> None:
        self._chance = np.random.default_rng(1000 + self.seed)
        self._first: Baselines = baselines(self.landscape.space)
        directions = [each.direction for each in self.landscape.objectives]
        self._is_weighted = self.name == "cmaes"  # as mergekit-evolve: one sum of all objectives
        self._study = Study(
            SAMPLERS[self.name],
            self.landscape.space.axes,
            ["minimize"] if self._is_weighted else directions,
            self.seed,
        )

    def run(self) -> dict[str, float]:
        """The hypervolume over that of the first trials, at each mark."""
        under_way: list[tuple[float, int]] = []
        now = 0.0
        while len(self.finished) < self.trials:
            while len(under_way) < self.workers and len(self.proposals) < self.trials:
                heapq.heappush(under_way, (now + self._duration(), self._propose()))
            now, number = heapq.heappop(under_way)
            self._finish(number)
        return self._gains()

    def _duration(self) -> float:
        return float(self.seconds * self._chance.lognormal(0.0, 0.4))

    def _propose(self) -> int:
        number = len(self.proposals)
        labels = {each.label for each in self.proposals.values()}
        digests = {each.recipe.digest for each in self.proposals.values()}
        standing = RunResults(self.landscape.objectives, self.finished)
        first = self._first.next(labels, digests, standing)
        if first is not None:
            self._study.add(first.params)
            proposal = Proposal(number, first.recipe, first.params, first.label)
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
        if not np.isfinite(losses).all():  # the gate refused this model
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
        rows = np.nan_to_num(self.landscape.normalised(rows), nan=np.inf)  # broken: nowhere near
        corner = np.full(rows.shape[1], 1.1)
        is_first = np.array([trial.label is not None for trial in self.finished])
        start = hypervolume(rows[is_first], corner)
        marks = [mark for mark in MARKS if mark <= len(rows)]
        found = {
            str(mark): hypervolume(np.concatenate([rows[is_first], rows[:mark]]), corner) - start
            for mark in marks
        }
        return {**found, "asking": self.asking / max(1, int((~is_first).sum())), "first": start}


def one(job: tuple[str, str, int, int, int, float]) -> dict[str, float]:
    """One replay, in a process of its own."""
    landscape, name, *rest = job
    return Replay(load(landscape, rest[0]), name, *rest).run()


def compare(arguments: argparse.Namespace) -> None:
    """Prints a row for each sampler: mean ± standard error of the gain at each mark."""
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
                _head(arguments, found[name][0]["first"], marks)
            cells = [_cell([each[mark] for each in found[name]]) for mark in marks]
            asking = np.mean([each["asking"] for each in found[name]])
            print(
                f"{name:16}" + "".join(f"{cell:>18}" for cell in cells) + f"{asking:14.3f}",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(found))


def _head(arguments: argparse.Namespace, first: float, marks: Sequence[str]) -> None:
    print(f"landscape {arguments.landscape}, {arguments.workers} workers, {arguments.seeds} seeds:")
    print(
        f"hypervolume over that of the baselines ({first:.4f} for the first seed), after N trials"
    )
    print(f"{'sampler':16}" + "".join(f"{mark:>18}" for mark in marks) + f"{'CPU s an ask':>14}")


def _cell(values: Sequence[float]) -> str:
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{np.mean(values):.4f} ± {error:.4f}"


def speed() -> None:
    """Times an ask of evolution at 300 parameters and 5,000 trials, and a front of 5,000."""
    chance = np.random.default_rng(0)
    axes = {f"x{i}": Axis(f"x{i}") for i in range(295)}
    axes |= {f"c{i}": Axis(f"c{i}", choices=("a", "b", "c")) for i in range(5)}
    study = Study(Evolution(), axes, ["minimize", "maximize"], 0)
    for number in range(5000):
        row = chance.random(len(axes))
        study.add(
            {
                name: axis.choices[int(3 * x)] if axis.choices else float(x)
                for (name, axis), x in zip(axes.items(), row, strict=True)
            }
        )
        study.tell(number, chance.random(2).tolist())
    study.ask()
    print("ask of evolution, 300 parameters, 5,000 trials:", _timed(study.ask))
    for columns in (2, 3, 4):
        rows = chance.random((5000, columns))
        print(f"front of 5,000 trials, {columns} objectives:", _timed(lambda: front(rows)))  # noqa: B023
        ball = np.abs(chance.normal(size=(5000, columns)))
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
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--landscape", choices=LANDSCAPES, default="measured")
    parser.add_argument("--samplers", default=",".join(SAMPLERS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10.0, help="of one evaluation")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write every replay's figures here")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    if unknown := set(arguments.samplers.split(",")) - set(SAMPLERS):
        parser.error(f"unknown samplers {sorted(unknown)}; there are {', '.join(SAMPLERS)}")
    if arguments.speed:
        speed()
    elif arguments.fit:
        print(load("measured", 0).report())
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
