"""Routes that read the results of a search: trials, front, recipe, verdict and report."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import asdict
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from search.ledger import trials_table
from search.report import make_report, page, recipe_maps
from search.results import RunResults, importance, recipe_lines
from search.runs import (
    Snapshot,
    front_json,
    picked,
    readable_verdicts,
    recorded_verdict,
)
from search.service.bodies import PICK
from search.service.problems import Problem
from search.service.search_routes import JSON, Offset
from search.service.snapshots import RunView
from search.service.state import View

if TYPE_CHECKING:
    from search.ledger import Trial

log = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/searches/{name}", tags=["results"])

State = Literal["scored", "stopped", "broken", "failed", "duplicate"]
Where = Annotated[str | None, Query(max_length=2000, description="A condition, as `--where`.")]
PickQuery = Annotated[str, Query(pattern=PICK, description="`knee`, `mean` or `best:OBJECTIVE`.")]
Number = Annotated[int | None, Query(ge=0, le=10**9, description="Of a trial, instead of a pick.")]
PARQUET = "application/vnd.apache.parquet"
REPORT_HEADERS = {"Content-Security-Policy": "sandbox allow-scripts allow-downloads"}


@router.get("/trials", response_class=Response)
async def trials(
    view: View,
    offset: Offset = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    state: State | None = None,
    where: Where = None,
    as_format: Annotated[Literal["json", "parquet"], Query(alias="format")] = "json",
) -> Response:
    """Finished trials in the order of finishing: a page as JSON, or all that match as Parquet."""

    def make(snapshot: Snapshot) -> bytes:
        found = _matching(snapshot.shown, state, where)
        if as_format == "parquet":
            return bytes(trials_table(found))
        rows = ",".join(trial.to_json() for trial in found[offset : offset + limit])
        objectives = json.dumps(view.ledger.header["objectives"])
        head = f'"total":{len(found)},"offset":{offset},"objectives":{objectives}'
        return f'{{{head},"trials":[{rows}]}}'.encode()

    paged = (offset, limit) if as_format == "json" else ()
    content = await _answer(view, ("trials", paged, state, where, as_format), make, "where")
    return Response(content, media_type=JSON if as_format == "json" else PARQUET)


@router.get("/trials/{number}", response_class=Response)
async def trial(view: View, number: Annotated[int, Path(ge=0, le=10**9)]) -> Response:
    """One finished trial."""

    def make(snapshot: Snapshot) -> bytes:
        for each in snapshot.shown.trials:
            if each.number == number:
                return each.to_json().encode()
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no finished trial {number}", field="number")

    return Response(await _answer(view, ("trial", number), make, "number"), media_type=JSON)


@router.get("/front", response_class=Response)
async def front(
    view: View,
    where: Where = None,
    pick: Annotated[str | None, Query(pattern=PICK)] = None,
    history: bool = False,
    with_importance: Annotated[bool, Query(alias="importance")] = False,
) -> Response:
    """The front beside base, models and uniform soup."""

    def make(snapshot: Snapshot) -> bytes:
        results = _where(snapshot.shown, where)
        verdicts = readable_verdicts(view.ledger, log.warning)
        content = front_json(view.ledger, results, verdicts, history=history)
        content["pick"] = _pick(view, results, pick) if pick and results.front else None
        content |= {"importance": _importance(results)} if with_importance else {}
        return json.dumps(content).encode()

    key = ("front", where, pick, history, with_importance)
    return Response(await _answer(view, key, make, "where"), media_type=JSON)


@router.get("/recipe", response_class=Response)
async def recipe(
    view: View,
    pick: PickQuery = "knee",
    trial: Number = None,
    where: Where = None,
    as_format: Annotated[Literal["json", "yaml"], Query(alias="format")] = "json",
) -> Response:
    """The recipe of a trial: in words, as a file, and as heat maps."""

    def make(snapshot: Snapshot) -> bytes:
        chosen, _ = picked(view.ledger, _where(snapshot.shown, where), pick, trial)
        found = chosen.proposal.recipe
        if as_format == "yaml":
            return found.to_yaml().encode()
        content = {
            "trial": chosen.number,
            "label": chosen.label,
            "digest": found.digest,
            "scores": dict(chosen.scores),
            "lines": list(recipe_lines(found)),
            "yaml": found.to_yaml(),
            "maps": [asdict(each) for each in recipe_maps(found)],
        }
        return json.dumps(content).encode()

    content = await _answer(view, ("recipe", pick, trial, where, as_format), make, "pick")
    return Response(content, media_type=JSON if as_format == "json" else "application/yaml")


@router.get("/verdict", response_class=Response)
async def verdict(view: View, pick: PickQuery = "knee", trial: Number = None) -> Response:
    """The verdict on a pick, if it has been asked for."""

    def make(_: Snapshot) -> bytes:
        found = recorded_verdict(view.ledger, pick, trial)
        return b"" if found is None else json.dumps(found.to_json()).encode()

    if not (content := await _answer(view, ("verdict", pick, trial), make, "pick")):
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "no verdict on this pick has been asked for",
            fix=f"POST /v1/searches/{view.name}/verdict scores what is missing",
        )
    return Response(content, media_type=JSON)


@router.get("/report", response_class=Response)
async def report(view: View, pick: PickQuery = "knee", trial: Number = None) -> Response:
    """The run as one HTML page."""

    def make(_: Snapshot) -> bytes:
        return page(make_report(view.ledger.root, pick, trial)).encode()

    content = await _answer(view, ("report", pick, trial), make, "pick")
    return Response(content, media_type="text/html; charset=utf-8", headers=REPORT_HEADERS)


async def _answer(
    view: RunView, key: Hashable, make: Callable[[Snapshot], bytes], field: str
) -> bytes:
    """An answer, or what is wrong with the field that decides it."""
    try:
        return await view.answer(key, make)
    except ValueError as error:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, str(error).removeprefix("--"), field=field
        ) from None


def _where(results: RunResults, where: str | None) -> RunResults:
    return results.where(where) if where else results


def _pick(view: RunView, results: RunResults, pick: str) -> int:
    """The number of the picked trial; a damaged record of a verdict does not hide the front."""
    chosen = results.pick(pick)
    with suppress(ValueError):
        chosen, _ = picked(view.ledger, results, pick)
    return chosen.number


def _matching(results: RunResults, state: str | None, where: str | None) -> list[Trial]:
    found = results.matching(where) if where else list(results.trials)
    return [each for each in found if state in (None, each.state)]


def _importance(results: RunResults) -> Any:
    """None while there are too few trials."""
    try:
        return importance(results)
    except ValueError:
        return None
