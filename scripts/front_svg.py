"""Draws the front of a run with two objectives as an SVG, as in the README.

mergefront demo demo                                         # makes the models
mergefront search CONFIG                                     # configs/demo.yaml without `sort`
PYTHONPATH=. python scripts/front_svg.py demo/runs/by-hand > docs/front.svg
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from search.ledger import BASE, UNIFORM, Ledger, Trial
from search.runs import results_of

WIDTH, HEIGHT = 640, 400  # of the picture, in pixels
LEFT, RIGHT, TOP, BOTTOM = 70, 120, 20, 55  # margins around the axes
GREY, BLUE, ORANGE = "#b5b5b5", "#1f6fb4", "#d95f02"

STYLE = "<style>text{font:13px sans-serif;fill:#333}</style>"
Scale = Callable[[Trial], float]
"""The position of a trial along one axis, in pixels."""


def picture(run: str) -> str:
    """The SVG of a run: every scored trial, the front, and the models that were merged."""
    results = results_of(Ledger(run))
    across, up = results.objectives
    x = _scale(across.name, across.direction, results.scored, LEFT, WIDTH - RIGHT)
    y = _scale(up.name, up.direction, results.scored, HEIGHT - BOTTOM, TOP)
    shown = (BASE, *results.models, UNIFORM)
    inputs = {name: each for name, each in results.baselines.items() if name in shown}
    front = sorted(results.front, key=x)
    bottom, middle = HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) // 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}">',
        STYLE,
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<path d="M{LEFT} {TOP}V{bottom}H{WIDTH - RIGHT}" fill="none" stroke="#333"/>',
        f'<text x="{LEFT}" y="{HEIGHT - 20}">better at {across.name} →</text>',
        f'<text transform="translate(40 {middle + 60}) rotate(-90)">better at {up.name} →</text>',
        *_dots(results.scored, x, y, 3, GREY),
        f'<path d="{_staircase(front, x, y)}" fill="none" stroke="{BLUE}" stroke-width="1.5"/>',
        *_dots(front, x, y, 4, BLUE),
        *_dots(inputs.values(), x, y, 5, ORANGE),
        *(
            f'<text x="{x(each) + 6:.0f}" y="{y(each) + 15:.0f}">{name}</text>'
            for name, each in inputs.items()
        ),
        *_legend([(GREY, "merge"), (BLUE, "front"), (ORANGE, "baseline")]),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _scale(name: str, direction: str, trials: list[Trial], worst: float, best: float) -> Scale:
    """From the worst scored trial to the best, so that better is always right or up."""
    scores = sorted((each.scores[name] for each in trials), reverse=direction == "minimize")
    span = (scores[-1] - scores[0]) or 1.0
    return lambda trial: worst + (best - worst) * (trial.scores[name] - scores[0]) / span


def _dots(trials: Iterable[Trial], x: Scale, y: Scale, radius: int, colour: str) -> list[str]:
    return [
        f'<circle cx="{x(each):.0f}" cy="{y(each):.0f}" r="{radius}" fill="{colour}"/>'
        for each in trials
    ]


def _staircase(front: list[Trial], x: Scale, y: Scale) -> str:
    """The border of what the front dominates."""
    corners = [f"V{y(each):.0f}H{x(each):.0f}" for each in front]
    return f"M{LEFT} {y(front[0]):.0f}{''.join(corners)}V{HEIGHT - BOTTOM}"


def _legend(entries: list[tuple[str, str]]) -> list[str]:
    left = WIDTH - RIGHT + 15
    return [
        f'<circle cx="{left}" cy="{TOP + 20 * i}" r="5" fill="{colour}"/>'
        f'<text x="{left + 12}" y="{TOP + 20 * i + 4}">{name}</text>'
        for i, (colour, name) in enumerate(entries)
    ]


if __name__ == "__main__":
    sys.stdout.write(picture(sys.argv[1]))
