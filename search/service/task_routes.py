"""Routes of what takes a while: exports and verdicts."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from search.service.bodies import ExportBody, VerdictBody
from search.service.problems import Problem
from search.service.snapshots import RunView
from search.service.state import Holder, InService, Service, View
from search.service.submissions import NAME
from search.service.tokens import Token

router = APIRouter(prefix="/v1/searches/{name}", tags=["tasks"])
ExportName = Annotated[str, Path(pattern=f"^{NAME}$", description="Of the export.")]


@router.post("/exports", status_code=202)
async def create_export(
    service: InService, holder: Holder, view: View, body: ExportBody, response: Response
) -> dict[str, Any]:
    """Starts to write a model of the front as a Hugging Face directory."""
    if body.push:
        _check_push(service, holder)
    await view.look()
    _check_pick(view, body)
    task = await service.slowly(service.tasks.export, view.name, view.ledger, body)
    response.headers["Location"] = f"/v1/searches/{view.name}/exports/{body.name}"
    return task.to_json()


@router.get("/exports")
async def list_exports(service: InService, view: View) -> dict[str, Any]:
    """The exports of a search."""
    found = await asyncio.to_thread(service.tasks.all_exports, view.name)
    return {"exports": [task.to_json() for task in found]}


@router.get("/exports/{export}")
async def export_status(service: InService, view: View, export: ExportName) -> dict[str, Any]:
    """One export: its state, how much is written, and where the model is."""
    return (await asyncio.to_thread(service.tasks.found, view.name, export)).to_json()


@router.post("/verdict", status_code=202)
async def create_verdict(service: InService, view: View, body: VerdictBody) -> dict[str, Any]:
    """Starts to score a pick on the documents that the search has not seen."""
    _check_pick(view, body)
    task = await service.slowly(service.tasks.verdict, view.name, view.ledger, body)
    return task.to_json()


@router.get("/verdict/task")
async def verdict_task(service: InService, view: View) -> dict[str, Any]:
    """How far the last verdict is that was asked for."""
    task = await asyncio.to_thread(service.tasks.verdict_task, view.name)
    if task.state == "done":
        view.look_again()  # or the next request may not know the scores yet
    return task.to_json()


def _check_pick(view: RunView, body: VerdictBody) -> None:
    """Says at once what a job would say after a minute."""
    results = view.snapshot.shown
    try:
        if isinstance(body, ExportBody) and body.where:
            results = results.where(body.where)
        _ = results.trial(body.trial) if body.trial is not None else results.pick(body.pick)
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), field="pick") from None


def _check_push(service: Service, holder: Token) -> None:
    if not service.settings.allow_hub:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "this service's operator does not allow to push to the hub",
            field="push",
            fix="leave `push` out, and upload the exported folder yourself",
        )
    if not holder.may("admin"):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "a push uses the operator's account of the hub, so it needs the role admin",
            field="push",
        )
