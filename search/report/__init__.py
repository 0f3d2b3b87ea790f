"""A run as one HTML page: figures, tables, verdict, config. Only importer of plotly."""

from __future__ import annotations

from search.report.figures import front_figures, hypervolume_figure, recipe_figure
from search.report.page import Report, make_report, page, write_report
from search.report.recipe_map import recipe_maps

__all__ = [
    "Report",
    "front_figures",
    "hypervolume_figure",
    "make_report",
    "page",
    "recipe_figure",
    "recipe_maps",
    "write_report",
]
