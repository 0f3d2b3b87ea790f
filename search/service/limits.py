"""What one client may ask of the service: the size of a body, and requests per second."""

from __future__ import annotations

import time
from collections import OrderedDict
from http import HTTPStatus

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.service.problems import Problem

MAX_CLIENTS = 10_000  # whose requests are counted at a time


class RateLimit:
    """A bucket of requests per client, which fills again with time.

    Args:
        rate: requests per second.
        burst: requests at once, at least one.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, max(1.0, burst)
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Counts a request.

        Raises:
            Problem: 429 if there were too many.
        """
        left = self._now(client)
        if left < 1:
            raise _too_many((1 - left) / self._rate)
        self._left[client] = left - 1, time.monotonic()
        self._left.move_to_end(client)
        if len(self._left) > MAX_CLIENTS:
            self._left.popitem(last=False)

    def _now(self, client: str) -> float:
        now = time.monotonic()
        left, then = self._left.get(client, (self._burst, now))
        return min(self._burst, left + (now - then) * self._rate)


class BodyLimit:
    """Refuses a body that is too large, before it is in memory.

    Args:
        app: what answers the request.
        limit: in bytes.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > self._limit:
            return await self._too_large().response(scope, receive, send)
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                # not a Problem, of which FastAPI would make another error while it reads a body
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, self._too_large().detail)
            return message

        return await self._app(scope, limited, send)

    def _too_large(self) -> Problem:
        return Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the body is larger than {self._limit} bytes",
            fix="a config is a few kilobytes; send models by a shared file system",
        )


def _too_many(wait: float) -> Problem:
    seconds = max(1, round(wait))
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too many requests",
        fix=f"wait {seconds} seconds",
        headers={"Retry-After": str(seconds)},
    )
