"""Experiment trackers that people use, behind one protocol; knows no run folder and no sampler."""

from search.trackers.background import BackgroundTracker
from search.trackers.protocol import TrackedRun, TrackedTrial, Tracker
from search.trackers.settings import TrackerSettings, missing_extra

__all__ = [
    "BackgroundTracker",
    "TrackedRun",
    "TrackedTrial",
    "Tracker",
    "TrackerSettings",
    "missing_extra",
]
