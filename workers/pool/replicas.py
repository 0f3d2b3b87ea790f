"""A web application as replicas on a Ray cluster, behind the proxies of Ray Serve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ray
from ray import serve


def replicated(
    name: str, build: Callable[[str], Any], *, requests: int, grace: float
) -> serve.Application:
    """The application that a config of Ray Serve deploys, with as many replicas as it says.

    Serve asks each replica every 10 seconds whether it answers, and replaces one that does not.

    Args:
        name: of the deployment, by which a config changes its options.
        build: makes the ASGI application, in each replica, from the address of the cluster.
        requests: that one replica answers at a time; open streams count.
        grace: seconds in which a replica that is to end answers its last requests.
    """

    def application() -> Any:
        return build(ray.get_runtime_context().gcs_address)

    deployment = serve.deployment(
        serve.ingress(application)(),
        name=name,
        max_ongoing_requests=requests,
        graceful_shutdown_timeout_s=grace,
    )
    return deployment.bind()
