"""Measures a landscape for `scripts/bench search`: real merges of the demo's models, scored once.

    export PYTHONPATH=. OMP_NUM_THREADS=1
    .venv/bin/python scripts/measure_landscape.py measure DEMO part.npz --points 1500 --seed 0
    .venv/bin/python scripts/measure_landscape.py join DEMO scripts/data/landscape.npz part*.npz

`join` puts parts together, scores the first trials of every run on their own, and fits the length
scales of the processes that `scripts/landscapes.py` puts through the points.

DEMO is a folder that `mergefront demo` made. A third of the points are spread evenly; the others
are asked for by evolution from many seeds, so that the good regions are covered densely. Every
point is merged and scored by the real worker on a third of the documents; one row is kept of each.
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
from search.driver import Baseline, baselines
from search.objectives import Direction
from search.samplers import Study
from search.samplers.settings import Evolution
from search.space import Space, SpaceSettings
from workers.candidate import Candidate, Outcome
from workers.checkpoint import open_checkpoint
from workers.recipe import Group, Recipe, Source
from workers.worker import Setup, Worker

MODELS = ("letters", "reverse", "sort")
METHODS = ("linear", "task_arithmetic", "ties", "dare_ties")
DEPTHS = 4
OBJECTIVES = {  # task -> metric, direction
    "letters": ("bits_per_byte,none", "minimize"),
    "reverse": ("exact_match,none", "maximize"),
    "sort": ("acc,none", "maximize"),
}
FEW = DocumentSettings(search=0.3, selection=0.35, report=0.35)  # 48 or so of each task
RUN = 150  # points that one seed of evolution asks for before the next one begins


def landscape_space(folder: Path = Path()) -> Space:
    """The space of the measured landscape; the folder matters only where merges are made."""
    models = {name: Source(str(folder / "models" / name)) for name in MODELS}
    settings = SpaceSettings.model_validate({"depth": {"groups": DEPTHS}})
    return Space(METHODS, models, Source(str(folder / "models" / "base")), DEPTHS, settings)


def main() -> None:
    """Measures, or puts parts together."""
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
    """Scores so many points; writes after every hundred."""
    worker, space = _worker(demo), landscape_space(demo)
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
    """One file of the parts, with the first trials' own scores and fitted length scales."""
    from scripts.landscapes import Measured  # noqa: PLC0415 - it reads what is written here

    worker, space = _worker(demo), landscape_space(demo)
    known = {
        first.label: _scores(worker.evaluate(Candidate(i, first.recipe)))
        for i, first in enumerate(_known_recipes(space))
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
    """The first trials, and every step that a greedy soup may take."""
    yield from baselines(space).known
    for one, other in itertools.permutations(MODELS, 2):
        weights = {"weight": {name: float(name in (one, other)) for name in MODELS}}
        recipe = Recipe("linear", space.models, (Group(weights),), space.base, space.seed)
        yield Baseline(f"greedy soup 2: {one}, after {other}", recipe, None)


def _points(
    worker: Worker, space: Space, seed: int
) -> Iterator[tuple[dict[str, Any], list[float]]]:
    """Point after point with its scores, NaN for a broken model."""
    directions = [direction for _, direction in OBJECTIVES.values()]
    number = itertools.count()
    spread = Study(Evolution(startup=10**6), space.axes, directions, seed)
    runs = itertools.count(1000 * seed + 1)
    while True:
        studies = [(spread, RUN // 2), (_study(space, directions, next(runs)), RUN)]
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
    """Evolution without its surrogate every other time, so that the points differ in kind."""
    return Study(Evolution(children=128 if seed % 2 else 1), space.axes, directions, seed)


def _worker(folder: Path) -> Worker:
    def source(name: str) -> Source:
        where = Source(str(folder / "models" / name))
        return Source(where.path, fingerprint=open_checkpoint(where).fingerprint)

    suite = SuiteSettings(tasks=tuple(OBJECTIVES), folder=folder / "tasks", documents=FEW)
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
