"""One settings class per sampler; the class makes what it describes, and imports it only then."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from evaluators.settings import Count, Settings

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from search.samplers.problem import Problem

log = logging.getLogger(__name__)


@contextmanager
def _experimental() -> Iterator[None]:
    """Silences Optuna's warning that these samplers are experimental; we accept that risk."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


class _FromOptuna(Settings):
    """A sampler of Optuna's."""

    def build(self, seed: int) -> BaseSampler:
        """The sampler, with this seed."""
        raise NotImplementedError

    def make(self, problem: Problem) -> BaseSampler:
        """The sampler of a run: built anew for every trial."""
        from search.samplers.seeded_sampler import SeededSampler

        return SeededSampler(self.build, problem.seed)


class Random(_FromOptuna):
    """Uniformly at random: what every other sampler has to beat."""

    type: Literal["random"] = "random"

    def build(self, seed: int) -> BaseSampler:
        from optuna.samplers import RandomSampler

        return RandomSampler(seed=seed)


class Tpe(_FromOptuna):
    """Tree-structured Parzen estimator, parameter by parameter (Ozaki 2022)."""

    type: Literal["tpe"] = "tpe"
    startup: Count = 16

    def build(self, seed: int) -> BaseSampler:
        from optuna.samplers import TPESampler

        return TPESampler(n_startup_trials=self.startup, constant_liar=True, seed=seed)


class Nsga2(_FromOptuna):
    """NSGA-II, a multi-objective genetic algorithm (Deb 2002), with UNDX crossover."""

    type: Literal["nsga2"] = "nsga2"
    population: Count = 20
    crossover: Literal["undx", "uniform"] = "undx"

    def build(self, seed: int) -> BaseSampler:
        from optuna.samplers import NSGAIISampler
        from optuna.samplers.nsgaii import UNDXCrossover, UniformCrossover

        with _experimental():
            crossover = UNDXCrossover() if self.crossover == "undx" else UniformCrossover()
        return NSGAIISampler(population_size=self.population, crossover=crossover, seed=seed)


class Nsga3(_FromOptuna):
    """NSGA-III, for four objectives and more (Deb & Jain 2014)."""

    type: Literal["nsga3"] = "nsga3"
    population: Count = 20

    def build(self, seed: int) -> BaseSampler:
        from optuna.samplers import NSGAIIISampler

        with _experimental():
            return NSGAIIISampler(population_size=self.population, seed=seed)


class Gp(Settings):
    """Optuna's Gaussian process with expected hypervolume improvement: seconds an ask."""

    type: Literal["gp"] = "gp"
    startup: Count = 16

    def make(self, problem: Problem) -> BaseSampler:
        """The sampler of a run."""
        from search.samplers.gp import GpSampler

        return GpSampler(problem.distributions, problem.seed, self.startup)


class Cmaes(Settings):
    """CMA-ES, for one objective (Hansen 2016)."""

    type: Literal["cmaes"] = "cmaes"
    population: Annotated[int, Field(ge=2, le=10_000)] | None = None

    def make(self, problem: Problem) -> BaseSampler:
        """The sampler of a run."""
        from search.samplers.cma import CmaSampler

        return CmaSampler(problem.distributions, problem.seed, self.population)


_OLD_SETTINGS = {"startup", "gp_axes", "gp_trials", "gp_workers", "evolution"}


class Auto(Settings):
    """Bayesian optimisation over the coefficients of merges: some 50 ms an ask."""

    type: Literal["auto"] = "auto"

    @model_validator(mode="before")
    @classmethod
    def _without_old_settings(cls, given: Any) -> Any:
        """Configs of earlier versions, which runs keep, have settings of an earlier `auto`."""
        if not isinstance(given, dict) or not (old := _OLD_SETTINGS & given.keys()):
            return given
        log.warning("sampler: auto has no settings any more; ignored: %s", ", ".join(sorted(old)))
        return {key: value for key, value in given.items() if key not in old}

    def make(self, problem: Problem) -> BaseSampler:
        """The sampler of a run."""
        from search.samplers.auto import AutoSampler

        return AutoSampler(problem)


_Settings = Annotated[Auto | Gp | Tpe | Nsga2 | Nsga3 | Random | Cmaes, Field(discriminator="type")]
SamplerSettings = Annotated[
    _Settings, BeforeValidator(lambda given: {"type": given} if isinstance(given, str) else given)
]
"""A sampler with its settings, or the name of one alone."""
