"""The FastAPI application of the service."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from search.service import (
    config_routes,
    operation_routes,
    result_routes,
    search_routes,
    task_routes,
    token_routes,
)
from search.service.access import Access
from search.service.limits import BodyLimit
from search.service.metrics import Answers, Metrics
from search.service.page_files import PageFiles
from search.service.problems import ANSWERS, Problem, unreadable_root, without_secrets
from search.service.settings import ServiceSettings
from search.service.state import Service

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
"""The files of the page, as the browser reads them."""
ROUTERS = (
    operation_routes,
    config_routes,
    search_routes,
    result_routes,
    task_routes,
    token_routes,
)


def create_app(settings: ServiceSettings) -> FastAPI:
    """The service over a root; it reads nothing until it is asked."""
    service = Service.of(settings)
    app = FastAPI(
        title="mergefront",
        version=version("mergefront"),
        summary="Searches for the best ways to merge fine-tuned language models.",
        openapi_url="/v1/openapi.json",
        docs_url=None,  # their scripts come from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
        responses=ANSWERS,
    )
    app.state.service = service
    app.state.metrics = metrics = Metrics(service.feeds)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(OSError, _unreachable)
    for each in ROUTERS:
        app.include_router(each.router)
    files = PageFiles(directory=PAGE)
    app.add_route("/", files.index, include_in_schema=False)
    app.mount("/page", files)
    # the last is the first that a request meets
    app.add_middleware(BodyLimit, limit=settings.max_body)
    app.add_middleware(Access, tokens=service.tokens, rate=settings.rate)
    app.add_middleware(Answers, metrics=metrics)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.service.settings.make_folders()
    yield
    app.state.service.feeds.end()


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return error.response


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    """Errors of the router: no such route, or not with this method."""
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    return Problem(HTTPStatus(error.status_code), str(error.detail), headers=headers).response


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    """Every wrong value of a request, with its place."""
    assert isinstance(error, RequestValidationError)
    errors = [f"{_place(each['loc'])}: {_said(each['msg'])}" for each in error.errors()]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"the request is wrong: {errors[0]}",
        field=_place(error.errors()[0]["loc"]),
        fix="correct every error in `errors`",
        errors=errors,
    ).response


async def _unreachable(_: Request, error: Exception) -> JSONResponse:
    """The disk, or the object store of the root."""
    assert isinstance(error, OSError)
    log.warning("the root: %s", without_secrets(str(error)))
    return unreadable_root(error).response


def _said(message: str) -> str:
    """The message of an error, without pydantic's name for those of ours."""
    return message.removeprefix("Value error, ")


def _place(location: Sequence[Any]) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])
