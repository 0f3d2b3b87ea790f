"""Ranges that methods share: a name means the same in all, so a search can cross methods."""

from __future__ import annotations

from workers.methods.parameter import Range

WEIGHT = Range(0.0, 2.0)
SHARE = Range(0.0, 2.0, least=0.0)
"""A weight that is a share of a vote or an angle: never negative."""

DENSITY = Range(0.1, 1.0, least=0.0, least_excluded=True, most=1.0)
LAMBDA = Range(0.2, 3.0, log=True)
GAMMA = Range(0.0, 0.1, least=0.0, most=1.0)
T = Range(0.0, 1.0)
