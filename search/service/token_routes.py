"""Routes of the tokens, for admins, and of one's own token."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response

from search.service.bodies import TokenBody
from search.service.problems import Problem
from search.service.state import Holder, InService

router = APIRouter(prefix="/v1", tags=["tokens"])


@router.get("/me")
async def me(holder: Holder) -> dict[str, Any]:
    """The token that asks."""
    return holder.to_json()


@router.get("/tokens")
async def list_tokens(service: InService) -> dict[str, Any]:
    """Every token, without its secret."""
    found = await asyncio.to_thread(service.tokens.all)
    return {"tokens": [token.to_json() for token in found]}


@router.post("/tokens", status_code=201)
async def create_token(service: InService, body: TokenBody) -> dict[str, Any]:
    """A new token; its text is shown only in this answer."""
    try:
        token, text = await asyncio.to_thread(
            service.tokens.create, body.name, body.role, body.days
        )
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error), field="name") from None
    return {**token.to_json(), "token": text}


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke_token(service: InService, token_id: str) -> Response:
    """Ends a token at once."""
    try:
        await asyncio.to_thread(service.tokens.revoke, token_id)
    except ValueError as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error), field="token_id") from None
    return Response(status_code=HTTPStatus.NO_CONTENT)
