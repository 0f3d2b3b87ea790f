"""The default sampler: Bayesian optimisation over what the merges are made of."""

from search.samplers.auto.sampler import AutoSampler

__all__ = ["AutoSampler"]
