"""Pools: where candidates are evaluated and what happens when a worker fails; not how they merge.

`RayPool` is in `workers.pool.ray_pool`, `Jobs` in `workers.pool.jobs`, `local_head` in
`workers.pool.head` and `replicated` in `workers.pool.replicas`: these import Ray.
"""

from workers.pool.head_token import use_own_token
from workers.pool.in_process import InProcessPool
from workers.pool.protocol import AddressError, Pool, PoolError, PoolSettings, SetupError

__all__ = [
    "AddressError",
    "InProcessPool",
    "Pool",
    "PoolError",
    "PoolSettings",
    "SetupError",
    "use_own_token",
]
