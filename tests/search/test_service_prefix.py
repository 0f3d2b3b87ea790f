"""The service below a prefix of another server: no path of it is open that was not before."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from tests.search.service_caller import Caller, settings_of


@pytest.mark.parametrize("path", ["/v1/searches", "/v1/tokens", "/v1/openapi.json", "/metrics"])
def test_behind_a_prefix_a_token_is_needed_too(tmp_path, path):
    call = Caller.of(settings_of(tmp_path, tmp_path))
    bearer = {"Authorization": f"Bearer {call.token}"}
    answers = [get_below("/team", call, path, header) for header in ({}, bearer)]
    assert [answer.status_code for answer in answers] == [401, 200]
    if path.startswith("/v1"):
        assert answers[1].headers["cache-control"] == "no-store"


def get_below(prefix: str, call: Caller, path: str, headers: dict[str, str]) -> httpx2.Response:
    """The answer to a path below a prefix, which is in the path too, as Ray Serve has it."""

    async def get() -> httpx2.Response:
        transport = httpx2.ASGITransport(call.app, root_path=prefix)
        async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.get(prefix + path, headers=headers)

    return asyncio.run(get())
