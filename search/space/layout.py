"""How a parameter varies over a model: by layer ranges or a curve, and by module class."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from evaluators.wording import counted
from workers.recipe import ALL_MODULES, MODULES, classes_of

if TYPE_CHECKING:
    from search.space.settings import Depth

Position = tuple[int, str]
"""A layer and a module class."""


@dataclass(frozen=True)
class Layout:
    """How one parameter varies over a model of `n_layers` layers.

    Args:
        layer_ranges: cover the model; for a curve, the single layers of its control points.
        is_curve: whether values are interpolated between control points.
        modules: the module classes with separate values; all others share one.
    """

    n_layers: int
    layer_ranges: tuple[tuple[int, int], ...]
    is_curve: bool
    modules: tuple[str, ...]

    @cached_property
    def suffixes(self) -> dict[str, Position]:
        """Suffix of each axis name -> a position whose value depends on that axis alone."""
        classes = [(f".{name}" if self.modules else "", some) for name, some in self._classes()]
        depths = [
            ("" if len(self.layer_ranges) == 1 else f".{i}", a) for i, (a, _) in self._enumerated()
        ]
        return {
            module + depth: (layer, some)
            for (depth, layer), (module, some) in itertools.product(depths, classes)
        }

    @property
    def boundaries(self) -> set[int]:
        """The layers at which the value may change."""
        if self.is_curve:
            return set(range(self.n_layers))
        return {first for first, _ in self.layer_ranges}

    def shares(self, position: Position) -> list[tuple[str, float]]:
        """The axes, by suffix, that decide the value at a position, and the share of each."""
        layer, module = position
        name = next((each for each in classes_of(module) if each in self.modules), "rest")
        start = f".{name}" if self.modules else ""
        if len(self.layer_ranges) == 1:
            return [(start, 1.0)]
        return [(f"{start}.{i}", share) for i, share in self._depths[layer]]

    @cached_property
    def _depths(self) -> list[list[tuple[int, float]]]:
        """Per layer: the ranges or control points that decide its value, and the share of each."""
        return [self._depth_shares(layer) for layer in range(self.n_layers)]

    def _depth_shares(self, layer: int) -> list[tuple[int, float]]:
        at = max(i for i, (first, _) in self._enumerated() if first <= layer)
        first = self.layer_ranges[at][0]
        if not self.is_curve or layer == first:
            return [(at, 1.0)]
        share = (layer - first) / (self.layer_ranges[at + 1][0] - first)
        return [(at, 1.0 - share), (at + 1, share)]

    def _enumerated(self) -> list[tuple[int, tuple[int, int]]]:
        return list(enumerate(self.layer_ranges))

    def _classes(self) -> Iterator[tuple[str, str]]:
        """Each name of a module class in suffixes, and one module class that it covers."""
        yield from ((name, name) for name in self.modules)
        if others := [name for name in MODULES if name not in self.modules]:
            yield "rest", others[0]


def make_layout(depth: Depth, modules: tuple[str, ...], n_layers: int) -> Layout:
    """The layout that the settings describe.

    Raises:
        ValueError: if the settings do not fit the number of layers.
    """
    if depth.curve is not None:
        points = depth.curve
        _check_at_most(points, n_layers, "points on the curve")
        steps = [round(i * (n_layers - 1) / (points - 1)) for i in range(points)]
        return Layout(n_layers, tuple((at, at + 1) for at in steps), True, modules)
    if depth.layers is not None:
        edges = [first for first, _ in depth.layers] + [depth.layers[-1][1]]
        ranges = [(a, b) for a, b in itertools.pairwise(edges) if a < b]
        if ranges != depth.layers or edges[0] != 0 or edges[-1] != n_layers:
            raise ValueError(
                f"layers: {[list(each) for each in depth.layers]} are not ranges that follow each "
                f"other from 0 to {n_layers}, the number of layers"
            )
        return Layout(n_layers, tuple(ranges), False, modules)
    count = depth.groups or 1
    _check_at_most(count, n_layers, "groups")
    edges = [round(i * n_layers / count) for i in range(count + 1)]
    return Layout(n_layers, tuple(itertools.pairwise(edges)), False, modules)


def constant_regions(layouts: Sequence[Layout]) -> list[tuple[tuple[int, int], tuple[str, ...]]]:
    """The largest regions (layer range, module classes) in which every layout is constant."""
    n_layers = layouts[0].n_layers if layouts else 1
    starts = sorted({0}.union(*(each.boundaries for each in layouts)))
    depths = list(itertools.pairwise([*starts, n_layers]))
    own = sorted({name for each in layouts for name in each.modules}, key=ALL_MODULES.index)
    rest = tuple(name for name in MODULES if name not in own)
    classes = [(name,) for name in own] + ([rest] if rest else [])
    return list(itertools.product(depths, classes))


def _check_at_most(count: int, n_layers: int, what: str) -> None:
    if count > n_layers:
        raise ValueError(f"{count} {what}, but the models have {counted(n_layers, 'layer')}")
