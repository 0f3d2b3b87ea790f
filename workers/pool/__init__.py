"""Pools: where candidates are evaluated and what happens when a worker fails; not how they merge.

`RayPool` is in `workers.pool.ray_pool` and `Jobs` in `workers.pool.jobs`: both import Ray.
"""

from workers.pool.in_process import InProcessPool
from workers.pool.protocol import AddressError, Pool, PoolError, PoolSettings, SetupError

__all__ = ["AddressError", "InProcessPool", "Pool", "PoolError", "PoolSettings", "SetupError"]
