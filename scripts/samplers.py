"""The samplers that `scripts/bench search` compares, by name."""

from __future__ import annotations

from search.samplers import Auto, Cmaes, Gp, Nsga2, Nsga3, Random, Tpe

SAMPLERS = {
    "auto": Auto(),
    "gp": Gp(),
    "tpe": Tpe(),
    "nsga2": Nsga2(),
    "nsga2-defaults": Nsga2(population=50, crossover="uniform"),
    "nsga3": Nsga3(),
    "cmaes": Cmaes(),
    "random": Random(),
}
