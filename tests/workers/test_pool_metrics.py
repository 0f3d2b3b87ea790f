"""What Prometheus sees is what the dashboard draws and the docs name."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
KINDS = re.compile(r'(Counter|Gauge|Histogram)\(\s*"(\w+)"')


def published() -> set[str]:
    """Ray puts its own prefix before every name."""
    source = (ROOT / "workers" / "pool" / "metrics.py").read_text()
    return {f"ray_{name}" for _, name in KINDS.findall(source)}


def names(text: str) -> set[str]:
    return {name.removesuffix("_bucket") for name in re.findall(r"ray_mergefront_\w+", text)}


def test_the_dashboard_draws_every_figure_and_no_other():
    panels = json.loads((ROOT / "docs" / "grafana.json").read_text())["panels"]
    drawn = "\n".join(target["expr"] for panel in panels for target in panel["targets"])
    assert names(drawn) == published()


def test_the_docs_name_every_figure_and_no_other():
    assert names((ROOT / "docs" / "operations.md").read_text()) == published()
