"""Routes for those who operate the service: health, readiness and metrics."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from search.service.problems import Problem
from search.service.state import InService

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def health() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readiness(service: InService) -> dict[str, Any]:
    """Whether searches can be created: the root can be written, and the cluster answers."""
    try:
        is_writable = await asyncio.to_thread(service.is_writable.value)
    except TimeoutError:
        is_writable = False
    if not is_writable:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the root cannot be written")
    if not await asyncio.to_thread(lambda: service.cluster.answers):
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the cluster does not answer")
    return {"status": "ok"}


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Metrics in Prometheus's format."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4")
