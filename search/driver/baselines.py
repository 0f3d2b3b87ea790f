"""The trials that every run starts with: what a user would try by hand and a pick must beat."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from search.ledger import BASE, UNIFORM
from search.space import parameter_and_model
from workers.methods import METHODS
from workers.recipe import Group, Recipe, Value

if TYPE_CHECKING:
    from search.results import RunResults
    from search.space import Space

SCALES = 5  # factors on the average task vector that are tried

# Values of the papers where they differ from the default that the method declares.
PUBLISHED: Mapping[str, Mapping[str, float]] = {
    "task_arithmetic": {"lambda": 0.4},  # Ilharco 2023 for eight task vectors, Yadav 2023 for any
    "ties": {"density": 0.2},
    "dare_linear": {"density": 0.1},
    "dare_ties": {"density": 0.1},
    "breadcrumbs": {"density": 0.85},
    "breadcrumbs_ties": {"density": 0.85},
}
USUAL = {"weight": 1.0, "density": 0.5, "t": 0.5}  # for parameters without a default


@dataclass(frozen=True)
class Baseline:
    """A known recipe, and the point of the space that gives it, if there is one."""

    label: str
    recipe: Recipe
    params: dict[str, Any] | None


@dataclass
class Baselines:
    """What to try besides what a sampler proposes: known recipes first, then a greedy soup.

    Args:
        known: in the order of trying.
        space: of the run, in which the greedy soup is made as the models' scores arrive.
    """

    known: Sequence[Baseline]
    space: Space
    _steps: dict[tuple[str, ...], Baseline] = field(default_factory=dict)
    _is_greedy_done: bool = False  # every score that it depends on is known, and none changes

    @property
    def most(self) -> int:
        """How many trials they are at most: steps of the greedy soup may equal others."""
        models = len(self.space.models)
        return len(self.known) + (models - 1 if models > 2 else 0)  # of two it is the uniform soup

    def next(
        self, labels: Collection[str | None], digests: Collection[str], results: RunResults
    ) -> Baseline | None:
        """The next baseline, or None if there is none, or none yet.

        Args:
            labels: of all proposals so far.
            digests: of their recipes.
            results: the finished trials.
        """
        for each in self.known:
            if each.label not in labels:
                return each
        return None if self._is_greedy_done else self._greedy(digests, results)

    def _greedy(self, digests: Collection[str], results: RunResults) -> Baseline | None:
        """The next step of a greedy soup (Wortsman 2022): add the next best model.

        The model stays in the soup if the mean over the objectives does not get lower.
        """
        finished = {trial.label for trial in results.trials}
        if not {BASE, *self.space.models} <= finished:
            return None
        means = {name: results.mean(trial) for name, trial in results.models.items()}
        ranked = sorted(means, key=lambda name: -means[name])
        known = [trial for trial in results.trials if trial.estimated_scores]
        by_digest = {trial.proposal.digest: trial for trial in reversed(known)}
        finished_digests = {trial.proposal.digest for trial in results.trials}
        members, mean = ranked[:1], means[ranked[0]] if ranked else 0.0
        for name in ranked[1:]:
            step = self._step([*members, name])
            if step.recipe.digest not in digests:
                return step
            trial = by_digest.get(step.recipe.digest)
            if trial is None and step.recipe.digest not in finished_digests:
                return None  # it is being evaluated
            if trial is not None and results.mean(trial) >= mean:
                members, mean = [*members, name], results.mean(trial)
        self._is_greedy_done = True
        return None

    def _step(self, names: Sequence[str]) -> Baseline:
        if (key := tuple(names)) not in self._steps:
            label = f"greedy soup {len(names)}: {names[-1]}"
            self._steps[key] = _placed(self.space, label, _soup(self.space, names))
        return self._steps[key]


def baselines(space: Space, recipes: Mapping[str, Recipe] | None = None) -> Baselines:
    """Base, models, uniform soup, the user's recipes, published defaults, average changes.

    Args:
        space: of the run.
        recipes: of the user, by name.
    """
    found = [
        Baseline(BASE, _alone(space, BASE), None),
        *(_placed(space, name, _alone(space, name)) for name in space.models),
        _placed(space, UNIFORM, _soup(space, list(space.models))),
        *(_placed(space, f"recipe {name}", given) for name, given in (recipes or {}).items()),
        *(_point(space, f"{name} defaults", _defaults(name)) for name in space.methods),
        *_scales(space),
    ]
    unique = {each.recipe.digest: each for each in reversed(found)}
    return Baselines([each for each in found if unique[each.recipe.digest] is each], space)


def _alone(space: Space, name: str) -> Recipe:
    source = space.base if name == BASE else space.models[name]
    return space.merge("passthrough", {name: source})


def _soup(space: Space, names: Sequence[str]) -> Recipe:
    models = {name: source for name, source in space.models.items() if name in names}
    weights: dict[str, Value] = {"weight": dict.fromkeys(models, 1.0)}
    return space.merge("linear", models, (Group(weights),))


def _defaults(method: str) -> dict[str, float]:
    """A method's parameters as its paper or its declaration has them."""
    declared = METHODS[method].parameters
    return {
        name: PUBLISHED.get(method, {}).get(name, _usual(name, parameter.default))
        for name, parameter in declared.items()
        if parameter.range is not None
    }


def _usual(name: str, default: float | None) -> float:
    return USUAL[name] if default is None else float(default)


def _scales(space: Space) -> Iterator[Baseline]:
    """The base and the average task vector, times five factors, evenly on their log axis."""
    axis = next(
        (each for each in space.axes.values() if parameter_and_model(each.name)[0] == "lambda"),
        None,
    )
    scaled = [name for name in space.methods if "lambda" in METHODS[name].parameters]
    method = "task_arithmetic" if "task_arithmetic" in scaled else next(iter(scaled), None)
    if axis is None or method is None:
        return
    for scale in np.geomspace(axis.low, axis.high, SCALES).tolist():
        values = {**_defaults(method), "weight": 1 / len(space.models), "lambda": scale}
        yield _point(
            space, f"base + {scale:.2g} × average change", {**values, "density": 1.0}, method
        )


def _point(
    space: Space, label: str, values: Mapping[str, float], method: str | None = None
) -> Baseline:
    """The point with these values of the parameters everywhere, as near as its axes allow."""
    params: dict[str, Any] = {name: axis.centre for name, axis in space.axes.items()}
    for name, axis in space.axes.items():
        parameter, _ = parameter_and_model(name)
        if parameter in values and not axis.choices:
            params[name] = axis.nearest(values[parameter])
    if "method" in params:
        params["method"] = method or label.removesuffix(" defaults")
    return Baseline(label, space.recipe(params), params)


def _placed(space: Space, label: str, recipe: Recipe) -> Baseline:
    """The same model as a point of the space, so that the sampler can learn from it."""
    for equal in _equal_recipes(space, recipe) if _has_models_of(space, recipe) else ():
        try:
            params = space.params(equal)
        except ValueError:
            continue
        return Baseline(label, space.recipe(params), params)
    return Baseline(label, recipe, None)


def _has_models_of(space: Space, recipe: Recipe) -> bool:
    """Whether the models are the run's, and not stacks of their layers."""
    known = {**space.models, "base": space.base}
    return all(known.get(name) == source for name, source in recipe.sources.items())


def _equal_recipes(space: Space, recipe: Recipe) -> Iterator[Recipe]:
    """Recipes that give the same bytes as this one."""
    yield recipe
    if recipe.method == "passthrough":
        (name,) = recipe.models
        weight: dict[str, Value] = {"weight": {name: 1.0}}
        yield space.merge("linear", recipe.models, (Group(weight),))
    is_soup = (
        recipe.method == "linear" and recipe.groups == _soup(space, list(recipe.models)).groups
    )
    if is_soup or recipe.method == "passthrough":
        others = {"weight": {model: float(model in recipe.models) for model in space.models}}
        yield space.merge("linear", space.models, (Group(others),))
