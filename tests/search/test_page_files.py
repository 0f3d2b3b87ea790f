"""The files of the service's page: whose they are, and what a browser lets them do."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib

import pytest
from plotly.offline import get_plotlyjs_version

from search.report.page import PLOTLY
from search.service.app import PAGE
from tests.search.service_caller import Caller, settings_of

VENDOR = PAGE / "vendor"
VENDORS = [VENDOR, PLOTLY.parent]
OWN = sorted(file for file in PAGE.iterdir() if file.is_file())


@pytest.fixture
def call(tmp_path) -> Caller:
    return Caller.of(settings_of(tmp_path / "root", tmp_path)).with_token(None)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.parent.name)
def test_the_files_of_others_are_what_the_script_has_made_of_their_packages(vendor):
    digests = json.loads((vendor / "digests.json").read_text())
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in vendor.iterdir()}
    about = {"digests.json", "package.json"}
    assert {name: each for name, each in found.items() if name not in about} == digests


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.parent.name)
def test_the_files_of_others_have_one_version_and_their_licence(vendor):
    wanted = json.loads((vendor / "package.json").read_text())["dependencies"]
    locked = json.loads((vendor / "package-lock.json").read_text())["packages"]
    for name, version in wanted.items():
        assert locked[f"node_modules/{name}"]["version"] == version
        assert locked[f"node_modules/{name}"]["integrity"].startswith("sha512-")
        assert (vendor / f"{name}.LICENSE.txt").stat().st_size > 0


def test_plotly_in_a_report_is_the_version_whose_figures_python_writes():
    head = PLOTLY.read_text(encoding="utf-8")[:200]
    assert f"plotly.js (cartesian - minified) v{get_plotlyjs_version()}\n" in head


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.name)
def test_every_file_is_served_with_a_policy_that_lets_no_other_code_run(call, file):
    answer = call("GET", f"/page/{file.name}")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_address_of_the_service_is_the_page(call):
    answer = call("GET", "/")
    assert '<script type="module" src="page/app.js">' in answer.text
    assert "script-src 'self';" in answer.headers["content-security-policy"]


def test_scripts_have_the_type_that_browsers_run(call):
    assert (
        call("GET", "/page/vendor/preact.js").headers["content-type"].startswith("text/javascript")
    )


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.name)
def test_no_file_names_another_server_or_has_a_script_inside(file):
    text = file.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|<script(?![^>]*\bsrc=)|dangerouslySetInnerHTML", text)
    assert not re.search(r"\bon\w+=\"|localStorage", text)


def test_every_import_of_a_script_is_there():
    for file in (*PAGE.glob("*.js"), *VENDOR.glob("*.js")):
        for name in re.findall(r"""from\s*"([^"]+)\"""", file.read_text()):
            assert (file.parent / name).is_file(), f"{file.name} imports {name}"


def test_the_page_is_installed_with_the_package():
    service = PAGE.parent
    project = tomllib.loads((service.parents[1] / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["search.service"]
    packed = {file for pattern in patterns for file in service.glob(pattern)}
    assert {file for file in PAGE.rglob("*") if file.is_file()} <= packed
