"""The files of the page, which run no script but their own and speak to no other server."""

from __future__ import annotations

import os

from fastapi import Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",  # a new version of the service has its own page
    "Cross-Origin-Opener-Policy": "same-origin",
}


class PageFiles(StaticFiles):
    """Files that come with the headers of the page."""

    async def index(self, request: Request) -> Response:
        """The page itself, for the address of the service."""
        return await self.get_response("index.html", request.scope)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """A file, or that it has not changed."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        return response
