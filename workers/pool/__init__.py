"""Where candidates are evaluated: a pool of Ray actors, or this very process."""

from workers.pool.inprocess import InProcessPool
from workers.pool.protocol import AddressError, Pool, PoolError, PoolSettings, SetupError

__all__ = ["AddressError", "InProcessPool", "Pool", "PoolError", "PoolSettings", "SetupError"]
