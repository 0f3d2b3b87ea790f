"""How long an ask of `auto` and a front take at 5,000 trials."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from search.objectives import front
from search.samplers import Auto, Study
from search.space import MergeFeatures, Space, SpaceSettings
from workers.recipe import Source

TRIALS = 5000
METHODS = ("linear", "slerp", "task_arithmetic", "ties", "dare_ties")


def speed() -> str:
    """One line for each figure."""
    random, space = np.random.default_rng(0), _space()
    study = Study(Auto(), space.axes, ["minimize", "maximize"], 0, MergeFeatures(space))
    for number in range(TRIALS):
        row = zip(space.axes.items(), random.random(len(space.axes)), strict=True)
        study.add(
            {
                name: axis.choices[int(len(axis.choices) * x)] if axis.choices else axis.at(x)
                for (name, axis), x in row
            }
        )
        study.tell(number, random.random(2).tolist())
    study.ask()
    lines = [f"ask of auto, {len(space.axes)} parameters, {TRIALS:,} trials: {_timed(study.ask)}"]
    for columns in (2, 3, 4):
        rows = random.random((TRIALS, columns))
        lines.append(f"front of {TRIALS:,} trials, {columns} objectives: {_timed_front(rows)}")
        ball = np.abs(random.normal(size=(TRIALS, columns)))
        ball = 1 - ball / np.linalg.norm(ball, axis=1)[:, None]
        lines.append(f"  and if all are on the front: {_timed_front(ball)}")
    return "\n".join(lines)


def _space() -> Space:
    settings = SpaceSettings.model_validate(
        {"depth": {"groups": 12}, "modules": ["self_attn", "mlp"]}
    )
    models = {name: Source(f"/models/{name}") for name in "abcdefg"}
    return Space(METHODS, models, Source("/models/base"), 24, settings)


def _timed_front(rows: np.ndarray) -> str:
    return _timed(lambda: front(rows))


def _timed(call: Callable[[], object], repeats: int = 20) -> str:
    wall, cpu = [], []
    for _ in range(repeats):
        start = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - start[0])
        cpu.append(time.process_time() - start[1])
    return f"{1000 * np.median(cpu):.1f} ms of CPU, {1000 * np.median(wall):.1f} ms of wall time"
