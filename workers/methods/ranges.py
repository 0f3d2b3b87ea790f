"""Ranges that methods share: one name means one thing, so that a search can cross methods."""

from __future__ import annotations

from workers.methods.declare import Range

WEIGHT = Range(0.0, 2.0)
SHARE = Range(0.0, 2.0, least=0.0)
"""A weight that says how much of a vote or an angle is a model's: never negative."""

DENSITY = Range(0.1, 1.0, least=0.0, least_excluded=True, most=1.0)
LAMBDA = Range(0.2, 3.0, log=True)
GAMMA = Range(0.0, 0.1, least=0.0, most=1.0)
T = Range(0.0, 1.0)
