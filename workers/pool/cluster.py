"""Ray itself: connecting to it, and what room its machines have."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayError

from workers.pool.protocol import AddressError, PoolError, PoolSettings

log = logging.getLogger(__name__)

GIB = 2**30


def connect(address: str) -> bool:
    """Connects unless this process is connected; whether it has to disconnect.

    Raises:
        AddressError: if it is the address of Ray's client, or none at all.
        PoolError: if there is no Ray at it.
    """
    if address.startswith("ray://"):
        raise AddressError(
            f"{address}: a search does not run through Ray's client, whose connection it would "
            "not survive; use `mergefront submit`, or run it on the cluster with --address auto"
        )
    if ray.is_initialized():
        return False
    # from Ray 2.60 on, a process without GPUs of its own sees none, as it will be the default
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


def per_worker(settings: PoolSettings, *, grows: bool) -> dict[str, float]:
    """Ray's resources of one worker; by default a GPU each, or two cores where there is none.

    It stays so: where the cluster `grows`, GPUs that are still to come are not seen.
    """
    has_gpus = ray.cluster_resources().get("GPU", 0) > 0
    if settings.gpus is None and not has_gpus and grows:
        log.warning(
            "no machine of the cluster has a GPU so far, so workers want none; if such machines "
            "are still to come, set workers.gpus"
        )
    gpus = settings.gpus if settings.gpus is not None else float(has_gpus)
    cpus = settings.cpus if settings.cpus is not None else (1.0 if gpus else 2.0)
    memory = {"memory": settings.memory * GIB} if settings.memory else {}
    return {"num_gpus": gpus, "num_cpus": cpus, **memory}


def room(need: Mapping[str, float], most: int | None) -> dict[str, int]:
    """How many workers fit on each living node, `most` at most."""
    names = {"num_gpus": "GPU", "num_cpus": "CPU", "memory": "memory"}
    wanted = {names[name]: amount for name, amount in need.items() if amount}
    return {
        node["NodeID"]: min(_fitting(node["Resources"], wanted), most or 1_000_000)
        for node in ray.nodes()
        if node["Alive"]
    }


def no_room(need: Mapping[str, float], *, grows: bool) -> PoolError:
    """Says what a worker wants and what there is, and what helps; a cluster may still grow."""
    have = ray.cluster_resources()
    memory = f", {need['memory'] / GIB:g} GiB" if "memory" in need else ""
    hint = ", or set workers.max to wait for machines that are still to come" if grows else ""
    return PoolError(
        f"no room for a worker: it wants {need['num_cpus']:g} CPUs and {need['num_gpus']:g} GPUs"
        f"{memory}, Ray has {have.get('CPU', 0):g} and {have.get('GPU', 0):g} on "
        f"{len([node for node in ray.nodes() if node['Alive']])} machines; make workers.cpus, "
        f"workers.gpus or workers.memory smaller{hint}"
    )


@contextmanager
def ray_errors() -> Iterator[None]:
    """A Ray that is gone becomes a PoolError."""
    try:
        yield
    except (RayError, ConnectionError, ray.exceptions.RaySystemError) as error:
        raise PoolError(f"Ray cannot be reached any more: {error}") from None


def _fitting(have: Mapping[str, Any], wanted: Mapping[str, float]) -> int:
    return min(int(have.get(name, 0) / amount + 1e-9) for name, amount in wanted.items())
