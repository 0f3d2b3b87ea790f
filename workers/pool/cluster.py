"""Connecting to Ray, and the capacity of its nodes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayError

from evaluators.wording import counted
from workers.pool.protocol import AddressError, PoolError, PoolSettings

log = logging.getLogger(__name__)

GIB = 2**30


def connect(address: str) -> bool:
    """Connects to Ray; False if this process was connected already and must stay so.

    Raises:
        AddressError: if it is an address of Ray's client, or not an address.
        PoolError: if no Ray answers there.
    """
    if address.startswith("ray://"):
        raise AddressError(
            f"{address}: a search does not run through Ray's client, as a lost connection would "
            "end it; use `mergefront submit`, or run it on the cluster with --address auto"
        )
    if ray.is_initialized():
        return False
    # a process without GPUs of its own sees none: the default from Ray 2.60 on
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray.init(
            address=address,
            include_dashboard=False if address == "local" else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except ValueError as error:
        raise AddressError(f"--address {address}: {error}") from None
    except (ConnectionError, RuntimeError, RayError) as error:
        raise PoolError(f"no Ray at {address}: {error}") from None
    return True


def worker_resources(settings: PoolSettings, *, can_grow: bool) -> dict[str, float]:
    """Ray's resources for one worker; by default one GPU, or two cores if there are no GPUs.

    They are decided once: GPUs that join a growing cluster later are not used.
    """
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    if settings.gpus is None and not has_gpus and can_grow:
        log.warning(
            "no machine of the cluster has a GPU yet, so workers request none; if machines with "
            "GPUs will join, set workers.gpus"
        )
    gpus = settings.gpus if settings.gpus is not None else float(has_gpus)
    cpus = settings.cpus if settings.cpus is not None else (1.0 if gpus else 2.0)
    memory = {"memory": settings.memory * GIB} if settings.memory else {}
    return {"num_gpus": gpus, "num_cpus": cpus, **memory}


def capacity(resources: Mapping[str, float], limit: int | None) -> dict[str, int]:
    """How many workers fit on each live node, up to `limit`."""
    names = {"num_gpus": "GPU", "num_cpus": "CPU", "memory": "memory"}
    required = {names[name]: amount for name, amount in resources.items() if amount}
    return {
        node["NodeID"]: min(_count_fitting(node["Resources"], required), limit or 1_000_000)
        for node in ray.nodes()
        if node["Alive"]
    }


def no_capacity(resources: Mapping[str, float], *, can_grow: bool) -> PoolError:
    """An error with what a worker needs, what Ray has, and what to change."""
    total = ray.cluster_resources()
    machines = sum(node["Alive"] for node in ray.nodes())
    memory = f", {resources['memory'] / GIB:g} GiB" if "memory" in resources else ""
    hint = ", or set workers.max to wait for machines that will join" if can_grow else ""
    return PoolError(
        f"no machine can run a worker: it needs {counted(resources['num_cpus'], 'CPU')} and "
        f"{counted(resources['num_gpus'], 'GPU')}{memory}, Ray has {total.get('CPU', 0):g} and "
        f"{total.get('GPU', 0):g} on {counted(machines, 'machine')}; "
        f"reduce workers.cpus, workers.gpus or workers.memory{hint}"
    )


@contextmanager
def ray_errors() -> Iterator[None]:
    """Turns errors of a lost connection into a PoolError."""
    try:
        yield
    except (RayError, ConnectionError, ray.exceptions.RaySystemError) as error:
        raise PoolError(f"Ray no longer answers: {error}") from None


def _count_fitting(available: Mapping[str, Any], required: Mapping[str, float]) -> int:
    return min(int(available.get(name, 0) / amount + 1e-9) for name, amount in required.items())
