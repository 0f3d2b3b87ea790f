"""A run as one HTML page: figures, tables, verdict, config. Only importer of plotly."""

from __future__ import annotations

from search.report.page import Report, make_report, page, write_report

__all__ = ["Report", "make_report", "page", "write_report"]
