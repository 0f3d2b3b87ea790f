"""Server-sent events: the status of a run, at once and after each change, for many listeners."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from search.service.problems import Problem
from search.service.snapshots import RunView
from search.service.tokens import Token, Tokens

log = logging.getLogger(__name__)

PERIOD = 1.0  # seconds between two looks at a run
HEARTBEAT = 15.0  # seconds of silence before a comment shows that the connection is alive
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # a proxy must not hold back
SHARE = 4  # a token may hold one stream in this many
OVER = ("finished",)
VOLATILE = ("seconds_left",)


class Feeds:
    """The open streams of a service: one look per run and period, however many listen.

    Args:
        limit: of open streams.
        tokens: that open the service.
    """

    def __init__(self, limit: int, tokens: Tokens) -> None:
        self._limit, self._tokens = limit, tokens
        self._feeds: dict[str, _Feed] = {}
        self._open: Counter[str] = Counter()  # by token
        self.closing = asyncio.Event()

    @property
    def open(self) -> int:
        """The number of open streams."""
        return self._open.total()

    async def stream(self, view: RunView, token: Token) -> AsyncIterator[bytes]:
        """The events of a run, until it, the token or the service ends, or the client leaves."""
        feed = self._feeds.setdefault(view.name, _Feed(view))
        self._open[token.id] += 1
        feed.listeners += 1
        try:
            async for event in feed.events(self.closing):
                if not await self._tokens.still_opens(token):
                    break
                yield event
        finally:
            self._open -= Counter([token.id])  # which forgets a token without streams
            feed.listeners -= 1
            if not feed.listeners:
                self._feeds.pop(view.name, None)
                feed.close()

    def end(self) -> None:
        """Ends every stream, because the service ends."""
        self.closing.set()
        for feed in list(self._feeds.values()):
            feed.wake()

    def check(self, token: Token) -> None:
        """Makes sure that one more stream can be opened.

        Raises:
            Problem: 429 if too many of this token are open, 503 if too many of all.
        """
        if self._open[token.id] >= max(1, self._limit // SHARE):
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too many streams of events of this token are open",
                fix="close some, or ask for the status instead",
                headers={"Retry-After": "30"},
            )
        if self.open >= self._limit:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "too many streams of events are open",
                fix="close some, or ask for the status instead",
                headers={"Retry-After": "30"},
            )


class _Feed:
    """Looks at one run for all who listen to it."""

    def __init__(self, view: RunView) -> None:
        self._view = view
        self._changed = asyncio.Event()  # a new one after each change
        self._version = 0
        self._shown: object = None
        self._is_over = False
        self._poller: asyncio.Task[None] | None = None
        self.listeners = 0

    async def events(self, closing: asyncio.Event) -> AsyncIterator[bytes]:
        """What one listener receives."""
        if not self._poller:
            self._shown = _without_volatile(self._view.status)
            self._poller = asyncio.create_task(self._poll())
        seen = -1
        while not closing.is_set() and not self._is_over:
            if seen != self._version:
                seen = self._version
                yield b"event: status\ndata: " + self._view.status_json + b"\n\n"
                if self._view.status["state"] in OVER:
                    break
            elif not await self._wait():
                yield b": alive\n\n"
        yield b"event: end\ndata: {}\n\n"

    def close(self) -> None:
        """Stops looking."""
        if self._poller:
            self._poller.cancel()

    def wake(self) -> None:
        """Has every listener look what has changed, or whether the service ends."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _wait(self) -> bool:
        """Whether something has changed before it is time for a heartbeat."""
        try:
            await asyncio.wait_for(self._changed.wait(), HEARTBEAT)
        except TimeoutError:
            return False
        return True

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self._view.look()
            except KeyError:
                self._is_over = True
                return self.wake()
            except (ValueError, OSError):  # unreadable for a moment
                continue
            except Exception:  # a fault of ours: listeners may come again
                log.exception("the events of search %s end", self._view.name)
                self._is_over = True
                return self.wake()
            shown = _without_volatile(self._view.status)
            if shown != self._shown:
                self._shown = shown
                self._version += 1
                self.wake()


def _without_volatile(status: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in status.items() if key not in VOLATILE})
