"""One settings class per sampler; the class builds what it describes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.samplers.nsgaii import UNDXCrossover
from pydantic import Field, PositiveInt

from evaluators.settings import Settings


@contextmanager
def _experimental() -> Iterator[None]:
    """Optuna calls these experimental at every use; that was weighed when they were listed here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


class Random(Settings):
    """Uniformly at random: what every other sampler has to beat."""

    type: Literal["random"] = "random"

    def build(self, seed: int) -> BaseSampler:
        """The sampler, with this state of chance."""
        return RandomSampler(seed=seed)


class Tpe(Settings):
    """Tree-structured Parzen estimator, parameter by parameter (Ozaki 2022)."""

    type: Literal["tpe"] = "tpe"
    startup: PositiveInt = 16

    def build(self, seed: int) -> BaseSampler:
        """The sampler, with this state of chance."""
        return TPESampler(n_startup_trials=self.startup, constant_liar=True, seed=seed)


class Nsga2(Settings):
    """NSGA-II, a multi-objective genetic algorithm (Deb 2002), with UNDX crossover."""

    type: Literal["nsga2"] = "nsga2"
    population: PositiveInt = 20

    def build(self, seed: int) -> BaseSampler:
        """The sampler, with this state of chance."""
        with _experimental():
            crossover = UNDXCrossover()
        return NSGAIISampler(population_size=self.population, crossover=crossover, seed=seed)


class Nsga3(Settings):
    """NSGA-III, for four objectives and more (Deb & Jain 2014)."""

    type: Literal["nsga3"] = "nsga3"
    population: PositiveInt = 20

    def build(self, seed: int) -> BaseSampler:
        """The sampler, with this state of chance."""
        with _experimental():
            return NSGAIIISampler(population_size=self.population, seed=seed)


class Gp(Settings):
    """Gaussian process with expected hypervolume improvement: few trials, seconds an ask."""

    type: Literal["gp"] = "gp"

    def build(self, seed: int) -> BaseSampler:
        """The sampler, with this state of chance."""
        with _experimental():
            return GPSampler(seed=seed, deterministic_objective=True)


SamplerSettings = Annotated[Random | Tpe | Nsga2 | Nsga3 | Gp, Field(discriminator="type")]
