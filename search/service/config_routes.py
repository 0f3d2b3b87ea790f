"""Routes about configs that are no searches yet: their schema, their errors, their other form."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from search.config import Config, diagnose
from search.service.conversion import check_is_json
from search.service.problems import Problem, field_error
from search.service.state import InService
from search.service.untrusted_text import is_json, yaml_of

router = APIRouter(prefix="/v1", tags=["configs"])

CONFIG_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/yaml": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}


@router.get("/schema")
async def config_schema() -> Response:
    """The JSON schema of a config: its keys, their defaults, and the methods there are."""
    return Response(_schema(), media_type="application/json")


@router.post("/check", openapi_extra=CONFIG_BODY)
async def check_config(
    request: Request,
    service: InService,
    deep: Annotated[bool, Query(description="Read models and tasks too.")] = False,
) -> dict[str, Any]:
    """Every error in a config; without `deep` only those that its text alone shows."""
    try:
        text = await config_text(request)
        if not deep:
            errors = await asyncio.to_thread(service.submissions.errors, text)
            return {"errors": [field_error(each) for each in errors], "warnings": []}
        plan = await service.slowly(service.submissions.plan, text)
    except Problem as problem:
        errors_of = problem.errors or [field_error(problem.detail)]
        return {"errors": errors_of, "warnings": []}
    return {"errors": [], "warnings": [str(each) for each in plan.warnings]}


@router.post("/convert", openapi_extra=CONFIG_BODY)
async def convert_config(request: Request, service: InService) -> dict[str, Any]:
    """A config in JSON as YAML, or one in YAML as JSON if that loses nothing; errors are kept."""
    text = await config_text(request)
    if is_json(request.headers.get("content-type", "")):
        return {"yaml": text}

    def as_json() -> dict[str, Any]:
        content = service.submissions.content(text)
        check_is_json(text, content)
        return {"json": content}

    return await asyncio.to_thread(as_json)


@router.post("/doctor", openapi_extra=CONFIG_BODY)
async def doctor(request: Request, service: InService) -> dict[str, object]:
    """What `mergefront doctor` says of a config: warnings, estimates, the space."""
    text = await config_text(request)

    def examine() -> dict[str, object]:
        with service.submissions.resolved(text) as path:
            return diagnose([str(path)], deep=False).to_json()

    return await service.slowly(examine)


@cache
def _schema() -> bytes:
    return json.dumps(Config.model_json_schema()).encode()


async def config_text(request: Request) -> str:
    """The config in a body, as YAML that is safe to read."""
    body = await request.body()
    return await asyncio.to_thread(yaml_of, body, request.headers.get("content-type", ""))
