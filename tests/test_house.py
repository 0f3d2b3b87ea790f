"""What the repository promises about itself: what is installed, and what can be run."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.browser import chromium

ROOT = Path(__file__).parent.parent
PACKAGES = ("search", "workers", "evaluators")
SCRIPTS = ("scripts/setup", "scripts/test", "scripts/demo", ".ci/run")
PINS = {
    canonicalize_name(name): version
    for name, version in re.findall(
        r"^([^#=\s]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.M
    )
}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements() -> list[Requirement]:
    wanted = project()["dependencies"] + project()["optional-dependencies"]["dev"]
    return [Requirement(line) for line in wanted]


def test_only_the_three_packages_are_installed():
    installed = importlib.metadata.distribution("mergefront").read_text("top_level.txt")
    assert installed.split() == ["evaluators", "search", "workers"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_is_typed(package):
    assert (ROOT / package / "py.typed").exists()


NEED_RAY = {
    "workers.pool.head",
    "workers.pool.jobs",
    "workers.pool.ray_pool",
    "workers.pool.replicas",
}  # importing a folder must not start Ray


def imported_modules(file: Path) -> Iterator[str]:
    """The modules of ours that a file imports names from."""
    for node in ast.walk(ast.parse(file.read_text())):
        module = node.module if isinstance(node, ast.ImportFrom) else None
        if module and module.partition(".")[0] in PACKAGES:
            yield module


@pytest.mark.parametrize("package", PACKAGES)
def test_names_are_imported_from_a_folder_and_not_from_its_files(package):
    for file in (ROOT / package).rglob("*.py"):
        for module in imported_modules(file):
            folder = (ROOT / module.replace(".", "/")).parent
            is_file = (ROOT / (module.replace(".", "/") + ".py")).exists()
            is_inner = folder.parent == ROOT or folder in file.parents
            assert not is_file or is_inner or module in NEED_RAY, f"{file}: {module}"


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_can_be_run(script):
    assert os.access(ROOT / script, os.X_OK)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_sound_bash(script):
    subprocess.run(["bash", "-n", ROOT / script], check=True)


@pytest.mark.parametrize("script", ["scripts/setup", "scripts/test"])
def test_script_explains_itself_from_any_folder_and_changes_nothing(script, tmp_path):
    said = subprocess.run(
        [ROOT / script, "--help"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert said.stdout.startswith(f"usage: {script}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("requirement", requirements(), ids=lambda r: r.name)
def test_pin_lies_in_the_range_that_pyproject_promises(requirement):
    assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)])


def test_pins_fit_every_build_of_a_library():
    assert [name for name, version in PINS.items() if "+" in version] == []


def test_no_test_folder_is_a_package_that_would_shadow_a_room():
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_where_chromium_is_missing_ci_fails_and_others_are_told(ci, outcome, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="apt-get install chromium"):
        chromium()
