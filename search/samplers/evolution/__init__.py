"""Our own sampler: steady-state multi-objective evolution that keeps its own arrays."""

from search.samplers.evolution.sampler import EvolutionSampler

__all__ = ["EvolutionSampler"]
