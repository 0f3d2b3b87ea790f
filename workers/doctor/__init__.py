"""Says whether models can be merged; does not know the recipe or the search."""

from workers.doctor.estimate import Estimate, estimate
from workers.doctor.examination import examine
from workers.doctor.finding import Finding
from workers.doctor.weights import compare_weights, differences_to_html, differences_to_json

__all__ = [
    "Estimate",
    "Finding",
    "compare_weights",
    "differences_to_html",
    "differences_to_json",
    "estimate",
    "examine",
]
