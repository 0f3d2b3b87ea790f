"""The default sampler: Bayesian optimisation over the coefficients of merges."""

from search.samplers.auto.sampler import AutoSampler

__all__ = ["AutoSampler"]
