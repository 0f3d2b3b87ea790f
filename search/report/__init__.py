"""A run as one HTML page: figures, tables, verdict, config. Only importer of plotly."""

from __future__ import annotations

from search.report.page import Report, make_report, page, write_report
from search.report.recipe_map import recipe_maps

__all__ = ["Report", "make_report", "page", "recipe_maps", "write_report"]
