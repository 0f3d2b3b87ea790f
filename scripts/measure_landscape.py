"""Measures the landscape of `scripts/bench search`: merges and scores the demo's models.

    export PYTHONPATH=. OMP_NUM_THREADS=1
    .venv/bin/python scripts/measure_landscape.py measure DEMO part.npz --points 1500 --seed 0
    .venv/bin/python scripts/measure_landscape.py join DEMO scripts/data/landscape.npz part*.npz

`join` combines the parts, scores the baselines, and fits the length scales of the Gaussian
processes in `scripts/landscapes`.

DEMO is a folder made by `mergefront demo`. A third of the points fill the space evenly; the others
come from evolution with many seeds, so that good regions are covered densely. The worker merges and
scores each point on a third of the documents.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.documents import DocumentSettings
from evaluators.tasks import SuiteSettings
from scripts.landscapes.measured import Measured
from scripts.landscapes.space import MODELS, OBJECTIVES, measured_space
from search.driver import Baseline, baselines
from search.objectives import Direction
from search.samplers import Study
from search.samplers.settings import Evolution
from search.space import Space
from workers.candidate import Candidate, Outcome
from workers.checkpoint import open_checkpoint
from workers.recipe import Group, Recipe, Source
from workers.worker import Setup, Worker

DOCUMENTS = DocumentSettings(search=0.3, selection=0.35, report=0.35)  # about 48 per task
RUN = 150  # points per seed of evolution


def main() -> None:
    """Measures points, or joins measured parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("measure", "join"))
    parser.add_argument("demo", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("parts", type=Path, nargs="*")
    parser.add_argument("--points", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.what == "measure":
        measure(arguments.demo, arguments.out, arguments.points, arguments.seed)
    else:
        join(arguments.demo, arguments.out, arguments.parts)


def measure(demo: Path, out: Path, count: int, seed: int) -> None:
    """Scores `count` points; writes the file after every hundred."""
    worker, space = _worker(demo), measured_space(demo)
    rows: list[list[float]] = []
    start = time.monotonic()
    for params, scores in itertools.islice(_points(worker, space, seed), count):
        point = [
            float(axis.choices.index(params[name]) if axis.choices else params[name])
            for name, axis in space.axes.items()
        ]
        rows.append(point + scores)
        if len(rows) % 100 == 0 or len(rows) == count:
            _write(out, space, rows)
            print(f"{len(rows)} points  {time.monotonic() - start:.0f} s", flush=True)


def join(demo: Path, out: Path, parts: list[Path]) -> None:
    """Writes one file with all parts, the scores of the baselines and the fitted length scales."""
    worker, space = _worker(demo), measured_space(demo)
    known = {
        baseline.label: _scores(worker.evaluate(Candidate(i, baseline.recipe)))
        for i, baseline in enumerate(_known_recipes(space))
    }
    read = [np.load(part) for part in parts]
    content = {
        "points": np.concatenate([part["points"] for part in read]),
        "scores": np.concatenate([part["scores"] for part in read]),
        "axes": read[0]["axes"],
        "known_labels": np.array(list(known)),
        "known_scores": np.array(list(known.values())),
    }
    np.savez_compressed(out, **content)
    np.savez_compressed(out, **content, scales=Measured(out).fit().astype(np.float32))


def _known_recipes(space: Space) -> Iterator[Baseline]:
    """The baselines, and every possible second step of the greedy soup."""
    yield from baselines(space).known
    for one, other in itertools.permutations(MODELS, 2):
        weights = {"weight": {name: float(name in (one, other)) for name in MODELS}}
        recipe = Recipe("linear", space.models, (Group(weights),), space.base, space.seed)
        yield Baseline(f"greedy soup 2: {one}, after {other}", recipe, None)


def _points(
    worker: Worker, space: Space, seed: int
) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Yields points with their scores, NaN for a broken model."""
    directions = [direction for _, direction in OBJECTIVES.values()]
    number = itertools.count()
    uniform = Study(Evolution(startup=10**6), space.axes, directions, seed)
    runs = itertools.count(1000 * seed + 1)
    while True:
        studies = [(uniform, RUN // 2), (_study(space, directions, next(runs)), RUN)]
        for study, length in studies:
            for _ in range(length):
                trial, params, _ = study.ask()
                outcome = worker.evaluate(Candidate(next(number), space.recipe(params)))
                scores, is_scored = _scores(outcome), outcome.state == "scored"
                study.tell(trial, scores if is_scored else None, broken=not is_scored)
                yield params, scores


def _scores(outcome: Outcome) -> list[float]:
    """One per objective, NaN for a broken model."""
    if outcome.state == "failed":
        raise RuntimeError(outcome.cause)
    if outcome.state != "scored":
        return [float("nan")] * len(OBJECTIVES)
    return [outcome.values[task][key] for task, (key, _) in OBJECTIVES.items()]


def _study(space: Space, directions: list[Direction], seed: int) -> Study:
    """Evolution; every other seed without its surrogate, to vary the points."""
    return Study(Evolution(children=128 if seed % 2 else 1), space.axes, directions, seed)


def _worker(folder: Path) -> Worker:
    def source(name: str) -> Source:
        where = Source(str(folder / "models" / name))
        return Source(where.path, fingerprint=open_checkpoint(where).fingerprint)

    suite = SuiteSettings(tasks=tuple(OBJECTIVES), folder=folder / "tasks", documents=DOCUMENTS)
    return Worker(Setup(source("base"), {name: source(name) for name in MODELS}, suite))


def _write(path: Path, space: Space, rows: list[list[float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = np.array(rows, dtype=np.float32)
    np.savez_compressed(
        path,
        points=table[:, : len(space.axes)],
        scores=table[:, len(space.axes) :],
        axes=np.array(list(space.axes)),
        objectives=np.array(list(OBJECTIVES)),
    )


if __name__ == "__main__":
    main()
