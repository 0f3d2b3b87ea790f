"""Metrics of the service for Prometheus; those of a search come from Ray."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.service.access import route_path
from search.service.feeds import Feeds
from search.service.problems import Problem

log = logging.getLogger(__name__)


class Metrics:
    """Counts requests by route, so that no name of a search becomes a label.

    Args:
        feeds: whose open streams are counted.
    """

    def __init__(self, feeds: Feeds) -> None:
        self._registry = CollectorRegistry()
        labels = ["method", "route", "status"]
        self.requests = Counter(
            "mergefront_http_requests", "Requests.", labels, registry=self._registry
        )
        self.seconds = Histogram(
            "mergefront_http_request_seconds",
            "Until the answer began.",
            ["method", "route"],
            registry=self._registry,
        )
        streams = Gauge(
            "mergefront_event_streams", "Open streams of events.", registry=self._registry
        )
        streams.set_function(lambda: feeds.open)

    def text(self) -> bytes:
        """All metrics in Prometheus's format."""
        return generate_latest(self._registry)

    def record(self, scope: Scope, status: int, seconds: float) -> None:
        """Counts a request whose answer has begun."""
        route = _route(scope)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
)


class Answers:
    """Measures each answer and gives it the headers that protect a browser; also that to a fault.

    Args:
        app: what answers.
        metrics: are told of it.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, has_begun = time.perf_counter(), False

        async def measured(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                seconds = time.perf_counter() - began
                self._metrics.record(scope, message["status"], seconds)
                message["headers"] = [*message.get("headers", ()), *_headers(scope)]
            await send(message)

        try:
            await self._app(scope, receive, measured)
        except Exception as error:  # a fault of ours: the log has it, the answer says nothing of it
            log.error("%s %s failed", scope["method"], _route(scope), exc_info=error)
            if not has_begun:
                await _fault().response(scope, receive, measured)
            raise  # for the server, and for tests


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "none")


def _fault() -> Problem:
    return Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "the service has failed at this request",
        fix="tell its operator the time; the log has the cause",
    )


def _headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    is_api = route_path(scope).startswith("/v1")
    return [*SECURITY_HEADERS, *([(b"cache-control", b"no-store")] if is_api else [])]
