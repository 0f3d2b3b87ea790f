"""The recipe of the image: what it copies is there, and what it runs is what is tested."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from search.cli.app import app

ROOT = Path(__file__).parent.parent
RECIPE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def instructions(name: str) -> list[str]:
    """The arguments of every instruction of that name, each on one line."""
    return re.findall(rf"^{name} (.*)$", RECIPE, re.MULTILINE)


COPIED = [source for line in instructions("COPY") for source in line.split()[:-1]]


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_is_in_the_repository(source):
    assert (ROOT / source).exists()


def test_the_image_has_what_an_installation_reads_and_nothing_else():
    packages = [
        each.rstrip("*") for each in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    ]
    project = PROJECT["project"]
    wanted = {*packages, project["readme"], *project["license-files"], "pyproject.toml"}
    assert {*COPIED} == wanted | {"constraints.txt"}
    rules = [each for each in (ROOT / ".dockerignore").read_text().split("\n") if each[:1] in "*!"]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == {*COPIED}


def test_pip_installs_an_extra_of_the_project_at_the_tested_versions():
    (install,) = [line for line in instructions("RUN") if "--constraint constraints.txt" in line]
    extra = re.search(r"'\.\[([\w-]+)\]'", install)[1]
    assert "mergefront[service]" in PROJECT["project"]["optional-dependencies"][extra]


def test_torch_is_for_cpus_unless_another_index_is_given():
    assert instructions("ARG") == ["TORCH_INDEX=https://download.pytorch.org/whl/cpu"]
    (install,) = [line for line in instructions("RUN") if '--index-url "$TORCH_INDEX"' in line]
    assert install.endswith("\"$(grep '^torch==' constraints.txt)\"")


def test_it_runs_as_the_user_of_the_kubernetes_files():
    (user,) = instructions("USER")
    assert any(f"useradd --create-home --uid {user} " in line for line in instructions("RUN"))
    service = yaml.safe_load((ROOT / "configs/cluster/rayservice.yaml").read_text())
    pod = service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == int(user)


def test_its_command_can_be_parsed_and_its_health_is_asked_at_the_same_port():
    name, command, *arguments = json.loads(instructions("CMD")[0])
    assert name == "mergefront"
    given = get_command(app).commands[command].make_context(command, arguments).params
    (port,) = instructions("EXPOSE")
    assert given["port"] == int(port)
    (health,) = instructions("HEALTHCHECK")
    assert f"http://127.0.0.1:{port}/healthz" in health
