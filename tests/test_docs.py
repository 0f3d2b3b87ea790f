"""The docs name every key of a config, and nothing that is not there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from evaluators.suite import Suite
from evaluators.tasks import SuiteSettings
from search.config import Config

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def keys(schema: dict[str, Any]) -> Iterator[str]:
    """Every key that a config may have, at any depth."""
    for each in (schema, *schema["$defs"].values()):
        yield from each.get("properties", {})


@pytest.mark.parametrize("key", sorted(set(keys(Config.model_json_schema()))))
def test_every_key_of_a_config_is_in_the_docs(key):
    assert any(
        re.search(rf"`[^`\n]*\b{key}\b", page.read_text()) or f"{key}:" in page.read_text()
        for page in PAGES
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_waits_for_its_figures(page):
    assert "BENCH" not in page.read_text()


def test_the_task_that_the_docs_show_can_be_scored(tmp_path):
    page = (ROOT / "docs" / "scoring.md").read_text()
    task = re.search(r"## Task files\n\n```yaml\n(.*?)```", page, re.DOTALL)[1]
    line = re.search(r'`(\{"question".*?\})`', page)[1]
    (tmp_path / "my_code_task.yaml").write_text(task)
    lines = [line, *(line.replace("len([])", f"{i} - {i}") for i in range(20))]
    (tmp_path / "my_code_task.jsonl").write_text("\n".join(lines))
    suite = Suite(SuiteSettings(tasks=("my_code_task",), folder=tmp_path))
    assert suite.metrics()["my_code_task"]["acc,none"] is True


def nav(entries: Any) -> Iterator[str]:
    """The pages of the site, in its order."""
    for each in entries:
        if isinstance(each, str):
            yield each
        else:
            (inside,) = each.values()
            yield from nav([inside] if isinstance(inside, str) else inside)


def test_every_page_is_on_the_site_once():
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    listed = list(nav(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(listed) == sorted(pages)


def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="needs the extra `docs`")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "tutorial" / "index.html").exists()


def test_the_page_of_commands_is_not_stale():
    from scripts import cli_docs

    assert cli_docs.PAGE.read_text() == cli_docs.page(), "run scripts/docs"


def diffs() -> list[str]:
    page = (ROOT / "docs" / "architecture.md").read_text()
    return re.findall(r"```diff\n(.*?)```", page, re.DOTALL)


@pytest.mark.parametrize("diff", diffs(), ids=["method", "sampler", "store"])
def test_the_diffs_of_the_examples_apply(diff):
    # if this fails: make the example again in a clone, and paste its `git diff -U1`
    subprocess.run(["git", "apply", "--check", "-"], cwd=ROOT, input=diff, text=True, check=True)
