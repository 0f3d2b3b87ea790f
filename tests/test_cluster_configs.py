"""The cluster configs are what Ray's own parsers take, and they say what mergefront needs."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.serve.schema import ServeDeploySchema

from search.driver import LAST_WAIT
from search.service import deployment

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "configs" / "cluster"
KUBERNETES = ["raycluster.yaml", "rayjob.yaml", "rayservice.yaml"]


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text())


def as_cluster(content: dict[str, Any]) -> dict[str, Any]:
    """A RayCluster as the operator would make it of a RayJob or a RayService."""
    spec = content["spec"]
    spec = spec.get("rayClusterSpec") or spec.get("rayClusterConfig") or spec
    return {**content, "spec": spec, "metadata": {**content["metadata"], "namespace": "default"}}


def pods(name: str) -> list[dict[str, Any]]:
    spec = as_cluster(load(name))["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def serve_config(name: str) -> dict[str, Any]:
    """What Ray Serve is told, with its defaults."""
    content = load(name)
    text = content["spec"]["serveConfigV2"] if "spec" in content else yaml.safe_dump(content)
    return ServeDeploySchema.model_validate(yaml.safe_load(text)).model_dump(exclude_unset=True)


@pytest.mark.parametrize("name", KUBERNETES)
def test_rays_autoscaler_reads_the_kubernetes_config(name):
    found = _derive_autoscaling_config_from_ray_cr(as_cluster(load(name)))
    validate_config(found)
    types = found["available_node_types"]
    assert types["gpu"]["resources"]["GPU"] == 1
    assert types["gpu"]["max_workers"] == 8
    assert types["headgroup"]["resources"]["CPU"] == 0


@pytest.mark.parametrize("name", KUBERNETES)
def test_every_container_sees_the_shared_volume(name):
    for pod in pods(name):
        mounted = {mount["name"] for each in pod["containers"] for mount in each["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]} == {"shared"}


def test_a_job_whose_driver_is_lost_goes_on():
    spec = load("rayjob.yaml")["spec"]
    assert spec["backoffLimit"] > 0
    assert "--resume" in spec["entrypoint"].split()


def test_a_job_that_is_stopped_has_time_to_keep_what_comes_back():
    environment = yaml.safe_load(load("rayjob.yaml")["spec"]["runtimeEnvYAML"])
    assert int(environment["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"]) > LAST_WAIT


def test_ray_up_takes_the_config():
    validate_config(prepare_config(load("ray-up.yaml")))


@pytest.mark.parametrize("name", ["serve.yaml", "rayservice.yaml"])
def test_serve_finds_the_service_and_its_arguments_are_right(name):
    (application,) = serve_config(name)["applications"]
    module, _, attribute = application["import_path"].partition(":")
    builder = getattr(import_module(module), attribute)
    (argument,) = inspect.signature(builder).parameters.values()
    settings = argument.annotation.model_validate(application["args"])
    assert all(folder.is_relative_to("/shared") for folder in (Path(settings.root), *settings.data))
    assert [each["name"] for each in application["deployments"]] == [deployment.NAME]
    assert application["route_prefix"] == "/"


def test_every_replica_has_a_pod_of_its_own_and_no_search_has_workers_there():
    (application,) = serve_config("rayservice.yaml")["applications"]
    (service,) = application["deployments"]
    wanted = service["ray_actor_options"]["resources"]
    types = _derive_autoscaling_config_from_ray_cr(as_cluster(load("rayservice.yaml")))
    group = types["available_node_types"]["service"]
    assert group["resources"] == {**group["resources"], "CPU": 0, **wanted}
    assert group["min_workers"] == service["num_replicas"]
    others = {**types["available_node_types"]}
    del others["service"]
    assert not any(wanted.keys() & other["resources"].keys() for other in others.values())


def test_the_service_on_kubernetes_is_protected_and_keeps_its_cluster():
    content = load("rayservice.yaml")
    assert content["spec"]["rayClusterConfig"]["authOptions"] == {"mode": "token"}
    assert content["spec"]["upgradeStrategy"] == {"type": "None"}  # a new one would end searches
    for pod in pods("rayservice.yaml"):
        assert pod["securityContext"]["runAsNonRoot"]


def test_pods_listen_where_serve_is_told_to():
    port = serve_config("rayservice.yaml")["http_options"]["port"]
    (service, *_) = pods("rayservice.yaml")[1:]
    assert {"containerPort": port, "name": "serve"} in service["containers"][0]["ports"]


@pytest.mark.parametrize("name", KUBERNETES)
def test_the_volume_that_is_mounted_is_the_one_that_is_asked_for(name):
    claim = load("shared-volume.yaml")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for pod in pods(name):
        (volume,) = pod["volumes"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


@pytest.mark.parametrize("name", KUBERNETES)
def test_ray_is_the_version_that_is_tested(name):
    pinned = re.search(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert as_cluster(load(name))["spec"]["rayVersion"] == pinned
