"""Calls a service in this process, without a socket: what it raises is raised here."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2

from search.service import Role, ServiceSettings
from search.service.app import create_app

NO_CLUSTER = "http://127.0.0.1:9"
"""Nothing answers there."""


@dataclass(frozen=True)
class Caller:
    """A client with a token."""

    app: Any
    token: str | None
    address: str = "10.0.0.1"

    @classmethod
    def of(cls, settings: ServiceSettings, role: Role = "admin") -> Caller:
        app = create_app(settings)
        settings.make_folders()
        return cls(app, app.state.service.tokens.create("test", role)[1])

    def with_token(self, token: str | None) -> Caller:
        """The same service, asked from another address."""
        return replace(self, token=token, address=f"10.1.{random.random()}")

    def with_role(self, role: Role, days: float | None = None) -> Caller:
        return self.with_token(self.app.state.service.tokens.create(role, role, days)[1])

    def __call__(
        self, method: str, path: str, *, raises: bool = True, **request: Any
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        headers |= request.pop("headers", {})

        async def call() -> httpx2.Response:
            transport = httpx2.ASGITransport(
                self.app, raise_app_exceptions=raises, client=(self.address, 1)
            )
            async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
                return await client.request(method, path, headers=headers, **request)

        return asyncio.run(call())


def settings_of(root: Path, world: Path, **changes: Any) -> ServiceSettings:
    return ServiceSettings(root, NO_CLUSTER, data=(world,), **changes)
