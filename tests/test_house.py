"""What the repository promises about itself: what is installed, and what can be run."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
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


def test_only_the_three_rooms_are_installed():
    installed = importlib.metadata.distribution("mergefront").read_text("top_level.txt")
    assert installed.split() == ["evaluators", "search", "workers"]


@pytest.mark.parametrize("package", ["search", "workers", "evaluators"])
def test_every_room_is_typed(package):
    assert (ROOT / package / "py.typed").exists()


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
