"""Routes that create, list, watch, stop and resume searches."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from search.service.bodies import ResumeBody
from search.service.config_routes import CONFIG_BODY, config_text
from search.service.feeds import HEADERS
from search.service.problems import without_secrets
from search.service.snapshots import RunView
from search.service.state import Holder, InService, Service, View
from search.service.tasks import last_lines

router = APIRouter(prefix="/v1", tags=["searches"])

Offset = Annotated[int, Query(ge=0, le=10**9)]
JSON = "application/json"


@router.get("/searches")
async def list_searches(
    service: InService, offset: Offset = 0, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> dict[str, Any]:
    """The searches, the newest first."""
    names = await asyncio.to_thread(service.views.names)
    found = [await _status_or_error(service, name) for name in names[offset : offset + limit]]
    return {"total": len(names), "offset": offset, "searches": found}


@router.post("/searches", status_code=201, openapi_extra=CONFIG_BODY)
async def create_search(request: Request, service: InService, response: Response) -> Any:
    """Creates and starts a search; a repeated request changes nothing."""
    text = await config_text(request)
    name, is_new = await service.slowly(service.searches.create, text)
    service.changed(name)
    response.status_code = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    response.headers["Location"] = f"/v1/searches/{name}"
    return (await service.views.of(name)).status


@router.get("/searches/{name}")
async def search_status(view: View) -> Response:
    """The status: what `mergefront status --json` prints, and the job."""
    return Response(view.status_json, media_type=JSON)


@router.get("/searches/{name}/events", response_class=StreamingResponse)
async def events(service: InService, view: View, holder: Holder) -> StreamingResponse:
    """The status at once and after each change, as server-sent events."""
    service.feeds.check(holder)
    return StreamingResponse(
        service.feeds.stream(view, holder), media_type="text/event-stream", headers=HEADERS
    )


@router.get("/searches/{name}/config", response_class=Response)
async def config(view: View) -> Response:
    """The resolved config, as YAML."""
    text = await asyncio.to_thread(lambda: view.ledger.config)
    return Response(without_secrets(text), media_type="application/yaml")


@router.post("/searches/{name}/stop", status_code=202)
async def stop(service: InService, view: View) -> Any:
    """Begins to stop a search, which keeps every finished trial and can be resumed."""
    await asyncio.to_thread(service.searches.stop, view.name, view.ledger)
    return await _changed(service, view)


@router.post("/searches/{name}/resume", status_code=202)
async def resume(service: InService, view: View, body: ResumeBody) -> Any:
    """Continues a search, if wanted with a larger budget."""
    limits = body.model_dump()
    await service.slowly(service.searches.resume, view.name, view.ledger, limits)
    return await _changed(service, view)


@router.get("/searches/{name}/logs", response_class=Response)
async def logs(
    service: InService, view: View, lines: Annotated[int, Query(ge=1, le=10_000)] = 500
) -> Response:
    """The last lines that the search has printed."""

    def read() -> str:
        if service.cluster.job(view.name) is None:
            service.cluster.check()
            return ""
        return "\n".join(last_lines(service.cluster.log(view.name), lines)) + "\n"

    return Response(await asyncio.to_thread(read), media_type="text/plain; charset=utf-8")


async def _changed(service: Service, view: RunView) -> dict[str, Any]:
    service.changed(view.name)
    await view.look()
    return view.status


async def _status_or_error(service: Service, name: str) -> dict[str, Any]:
    """A damaged run does not hide the others."""
    try:
        return (await service.views.of(name)).status
    except (KeyError, ValueError, OSError, json.JSONDecodeError) as error:
        return {"name": name, "state": "damaged", "troubles": [without_secrets(str(error))]}
