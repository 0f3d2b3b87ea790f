"""One settings class per sampler; the class makes what it describes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Literal

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    NSGAIIISampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.samplers.nsgaii import UNDXCrossover, UniformCrossover
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from evaluators.settings import Settings
from search.samplers.auto import Affordable, AutoSampler
from search.samplers.cma import CmaSampler
from search.samplers.evolution import EvolutionSampler
from search.samplers.gp import GpSampler
from search.samplers.seeded import SeededSampler

Distributions = Mapping[str, BaseDistribution]


@contextmanager
def _experimental() -> Iterator[None]:
    """Optuna calls these experimental at every use; that was weighed when they were listed here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


class _FromOptuna(Settings):
    """A sampler of Optuna's."""

    def build(self, seed: int) -> BaseSampler:
        """The sampler, with this state of chance."""
        raise NotImplementedError

    def make(self, distributions: Distributions, seed: int) -> BaseSampler:  # noqa: ARG002
        """The sampler of a run: built anew for every trial."""
        return SeededSampler(self.build, seed)


class Random(_FromOptuna):
    """Uniformly at random: what every other sampler has to beat."""

    type: Literal["random"] = "random"

    def build(self, seed: int) -> BaseSampler:
        return RandomSampler(seed=seed)


class Tpe(_FromOptuna):
    """Tree-structured Parzen estimator, parameter by parameter (Ozaki 2022)."""

    type: Literal["tpe"] = "tpe"
    startup: PositiveInt = 16

    def build(self, seed: int) -> BaseSampler:
        return TPESampler(n_startup_trials=self.startup, constant_liar=True, seed=seed)


class Nsga2(_FromOptuna):
    """NSGA-II, a multi-objective genetic algorithm (Deb 2002), with UNDX crossover."""

    type: Literal["nsga2"] = "nsga2"
    population: PositiveInt = 20
    crossover: Literal["undx", "uniform"] = "undx"

    def build(self, seed: int) -> BaseSampler:
        with _experimental():
            crossover = UNDXCrossover() if self.crossover == "undx" else UniformCrossover()
        return NSGAIISampler(population_size=self.population, crossover=crossover, seed=seed)


class Nsga3(_FromOptuna):
    """NSGA-III, for four objectives and more (Deb & Jain 2014)."""

    type: Literal["nsga3"] = "nsga3"
    population: PositiveInt = 20

    def build(self, seed: int) -> BaseSampler:
        with _experimental():
            return NSGAIIISampler(population_size=self.population, seed=seed)


class Gp(Settings):
    """Optuna's Gaussian process with expected hypervolume improvement: seconds an ask."""

    type: Literal["gp"] = "gp"
    startup: PositiveInt = 16

    def make(self, distributions: Distributions, seed: int) -> BaseSampler:
        """The sampler of a run."""
        return GpSampler(distributions, seed, self.startup)


class Evolution(Settings):
    """Ours: steady-state multi-objective evolution, helped by a small Gaussian process."""

    type: Literal["evolution"] = "evolution"
    startup: NonNegativeInt = 24
    """Scored trials, the first ones counted in, before the first child."""
    parents: Annotated[int, Field(ge=2)] = 20
    children: PositiveInt = 512
    """Of which the most promising is tried (fewer beyond 64 parameters); 1: any, unpredicted."""

    def make(self, distributions: Distributions, seed: int) -> BaseSampler:
        """The sampler of a run."""
        return EvolutionSampler(
            distributions,
            seed,
            startup=max(self.startup, 2),
            parents=self.parents,
            children=self.children,
        )


class Cmaes(Settings):
    """CMA-ES, for one objective (Hansen 2016)."""

    type: Literal["cmaes"] = "cmaes"
    population: Annotated[int, Field(ge=2)] | None = None

    def make(self, distributions: Distributions, seed: int) -> BaseSampler:
        """The sampler of a run."""
        return CmaSampler(distributions, seed, self.population)


class Auto(Settings):
    """A space-filling start, then gp while that is affordable, then evolution."""

    type: Literal["auto"] = "auto"
    startup: NonNegativeInt = 24
    gp_axes: NonNegativeInt = Affordable.axes
    """The most parameters for gp; 0 leaves it out."""
    gp_trials: NonNegativeInt = Affordable.scored
    """After so many scored trials evolution goes on."""
    gp_workers: NonNegativeInt = Affordable.workers
    evolution: Evolution = Evolution()

    @model_validator(mode="after")
    def _one_start(self) -> Auto:
        unsaid = Evolution.model_fields["startup"].default
        if self.evolution.startup not in (unsaid, self.startup):
            raise ValueError(
                f"evolution.startup: {self.evolution.startup} would have no effect; auto begins "
                "with its own startup, so give that"
            )
        return self

    def make(self, distributions: Distributions, seed: int) -> BaseSampler:
        """The sampler of a run."""
        evolution = self.evolution.model_copy(update={"startup": self.startup})
        limits = Affordable(self.gp_axes, self.gp_workers, self.gp_trials)
        return AutoSampler(
            distributions,
            Gp(startup=max(self.startup, 2)).make(distributions, seed),
            evolution.make(distributions, seed),
            max(self.startup, 2),
            limits,
        )


SamplerSettings = Annotated[
    Auto | Evolution | Gp | Tpe | Nsga2 | Nsga3 | Random | Cmaes, Field(discriminator="type")
]
