"""Where candidates are evaluated: a pool of Ray actors, or this very process."""

from workers.pool.inprocess import InProcessPool
from workers.pool.protocol import Pool, PoolError, PoolSettings

__all__ = ["InProcessPool", "Pool", "PoolError", "PoolSettings"]
