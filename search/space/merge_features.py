"""The coefficients of a point's merge, by which points of different methods compare.

Two recipes are near each other if each task vector has nearly the same part in them, whatever
methods and parameters say so: a SLERP of two models at t = 0.5, their uniform soup, and task
arithmetic with weights of 0.5 have the same coefficients. What a method ignores has no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from search.space.layout import Layout, constant_regions
from search.space.space import Space
from workers.methods import METHODS

if TYPE_CHECKING:
    from search.space.parameters import SearchedParameter

Array = NDArray[np.float64]

KEEPS_ALL = {"density": 1.0, "gamma": 0.0}
"""Parameters of sparsity, and the value at which nothing is dropped: that of other methods."""


class MergeFeatures:
    """Features of many points at once, in blocks of one kind each.

    `coefficients`: log(1 + c), where c is how much of a model's task vector is added; per model,
    the mean over the positions (depth ranges times module classes). `variation`: the difference
    from that mean, per position. `density` and `gamma`: how sparse, as far as the model takes
    part. `method`: one-hot.

    Args:
        space: of the points.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._models = list(space.models)
        layouts = [number.layout for number in space.parameters.values()]
        whole = Layout(space.n_layers, ((0, space.n_layers),), False, ())
        self._positions = [
            (layers[0], modules[0]) for layers, modules in constant_regions([*layouts, whole])
        ]
        self._values = {
            name: _Values(number, self._models, self._positions, list(space.axes))
            for name, number in space.parameters.items()
        }

    def __call__(self, numbers: Array, choices: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
        """Block -> features, shape (n_points, n_features).

        Args:
            numbers: of the axes in the order of the space, shape (n_points, n_axes).
            choices: of each axis that has choices.
        """
        n = len(numbers)
        values = {name: each(numbers) for name, each in self._values.items()}
        members = self._members(choices, n)
        methods = choices.get("method", np.full(n, self._space.methods[0]))
        shape = n, len(self._positions), len(self._models)
        coefficients = np.zeros(shape)
        sparsity = {
            name: np.full(shape, all_) for name, all_ in KEEPS_ALL.items() if name in values
        }
        for name in dict.fromkeys(self._space.methods):
            rows = np.flatnonzero(methods == name)
            selected = {parameter: each[rows] for parameter, each in values.items()}
            pair = choices["pair"][rows] if "pair" in choices else None
            coefficients[rows] = self._coefficients(name, selected, members[rows], pair)
            for parameter in sparsity.keys() & METHODS[name].parameters.keys():
                sparsity[parameter][rows] = selected[parameter]
        return self._blocks(coefficients, sparsity, methods)

    def _blocks(
        self, coefficients: Array, sparsity: Mapping[str, Array], methods: NDArray[Any]
    ) -> dict[str, Array]:
        n, n_positions, _ = coefficients.shape
        logs = np.log1p(np.maximum(coefficients, 0.0))
        mean = logs.mean(1)
        found = {"coefficients": mean}
        if n_positions > 1:
            found["variation"] = (logs - mean[:, None]).reshape(n, -1) / np.sqrt(n_positions)
        part = np.minimum(coefficients, 1.0)
        for name, values in sparsity.items():
            counted = (values - KEEPS_ALL[name]) * part
            if len(self._space.parameters[name].layout.suffixes) == 1:  # one for all positions
                counted = counted.mean(1, keepdims=True)
            found[name] = counted.reshape(n, -1) / np.sqrt(counted.shape[1])
        if len(self._space.methods) > 1:
            found["method"] = (methods[:, None] == self._space.methods) / np.sqrt(2.0)
        return found

    def _members(self, choices: Mapping[str, NDArray[Any]], n: int) -> Array:
        """1 for the models that take part, shape (n_points, n_models)."""
        included = [choices.get(f"include[{name}]", np.ones(n)) for name in self._models]
        members = np.stack([np.asarray(each, dtype=np.float64) for each in included], axis=1)
        members[members.sum(1) < self._space.least_members] = 1.0  # as `Space.recipe` does
        return members

    def _coefficients(
        self, name: str, values: Mapping[str, Array], members: Array, pair: NDArray[Any] | None
    ) -> Array:
        """What a method adds of each task vector, shape (n_points, n_positions, n_models)."""
        method, n_positions = METHODS[name], len(self._positions)
        if method.models == (2, 2):
            members, first = self._pair(pair, len(members))
            if "t" in method.parameters:
                t = values["t"][:, :, :1]
                return members[:, None] * np.where(first[:, None] > 0, 1.0 - t, t)
        part = np.repeat(members[:, None], n_positions, axis=1)
        if "weight" in method.parameters:
            part = part * values["weight"]
        if self._divides(name):
            total = part.sum(2, keepdims=True)
            equal = members / np.maximum(members.sum(1, keepdims=True), 1.0)
            part = np.where(total > 0, part / np.maximum(total, 1e-12), equal[:, None])
        if "lambda" in method.parameters:
            part = part * values["lambda"][:, :, :1]
        return part

    def _pair(self, pair: NDArray[Any] | None, n: int) -> tuple[Array, Array]:
        """The models of each point's pair, and of these the first; shape (n_points, n_models)."""
        members, first = np.zeros((n, len(self._models))), np.zeros((n, len(self._models)))
        for key, (one, other) in self._space.pairs.items():
            rows = np.flatnonzero(pair == key) if pair is not None else np.arange(n)
            first[rows, self._models.index(one)] = 1.0
            members[rows, self._models.index(one)] = members[rows, self._models.index(other)] = 1.0
        return members, first

    @staticmethod
    def _divides(name: str) -> bool:
        """Whether a method divides weights by their sum, as a mean of whole models must."""
        method = METHODS[name]
        declared = method.parameters.get("normalize")
        return (
            not method.needs_base
            or "weight" not in method.parameters
            or bool(declared and declared.default)
        )


class _Values:
    """The value of a parameter at every place and for every model, from the numbers of its axes."""

    def __init__(
        self,
        number: SearchedParameter,
        models: list[str],
        at: list[tuple[int, str]],
        axes: list[str],
    ) -> None:
        self._shape = len(at), len(models)
        self._fixed = np.zeros(self._shape)
        self._is_log = any(axis.log for axis in number.ranges.values())
        terms: dict[str, Array] = {}  # axis -> its share by place and model
        for j, model in enumerate(models):
            owner = number.owners[model if model in number.owners else None]
            if isinstance(owner, float):
                self._fixed[:, j] = np.log(owner) if self._is_log else owner
                continue
            for i, place in enumerate(at):
                for axis, share in number.shares(owner, place):
                    terms.setdefault(axis, np.zeros(self._shape))[i, j] = share
        self._columns = [axes.index(axis) for axis in terms]
        self._shares = np.array([each.ravel() for each in terms.values()])

    def __call__(self, numbers: Array) -> Array:
        """Shape (n_points, n_positions, n_models)."""
        found = np.tile(self._fixed.ravel(), (len(numbers), 1))
        if self._columns:
            values = numbers[:, self._columns]
            found += (np.log(values) if self._is_log else values) @ self._shares
        return (np.exp(found) if self._is_log else found).reshape(-1, *self._shape)
