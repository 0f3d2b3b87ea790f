"""The cluster configs are what Ray's own parsers take, and they say what mergefront needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)
from ray.autoscaler._private.util import prepare_config, validate_config

from search.driver import LAST_WAIT

FOLDER = Path(__file__).parent.parent / "configs" / "cluster"


def load(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text())


def as_cluster(content: dict[str, Any]) -> dict[str, Any]:
    """A RayCluster as the operator would make it of a RayJob."""
    spec = content["spec"].get("rayClusterSpec", content["spec"])
    return {**content, "spec": spec, "metadata": {**content["metadata"], "namespace": "default"}}


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml"])
def test_rays_autoscaler_reads_the_kubernetes_config(name):
    found = _derive_autoscaling_config_from_ray_cr(as_cluster(load(name)))
    validate_config(found)
    types = found["available_node_types"]
    assert types["gpu"]["resources"]["GPU"] == 1
    assert types["gpu"]["max_workers"] == 8
    assert types["headgroup"]["resources"]["CPU"] == 0


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml"])
def test_every_container_sees_the_shared_volume(name):
    spec = as_cluster(load(name))["spec"]
    for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        pod = group["template"]["spec"]
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
