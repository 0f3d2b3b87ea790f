"""Says whether models can be merged; does not know the recipe or the search."""

from workers.doctor.examination import examine
from workers.doctor.finding import Finding
from workers.doctor.weights import compare_weights

__all__ = ["Finding", "compare_weights", "examine"]
