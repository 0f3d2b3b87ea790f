"""What the routes of a service share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Path, Request

from search.service.cluster import Cluster
from search.service.feeds import Feeds
from search.service.problems import Problem
from search.service.searches import Searches
from search.service.settings import ServiceSettings
from search.service.shared_reads import SharedRead
from search.service.snapshots import RunView, RunViews
from search.service.submissions import NAME, Submissions
from search.service.tasks import Tasks
from search.service.tokens import Token, Tokens

SLOW = 8  # requests at once that change jobs or read models
READY = 5.0  # seconds for which it is known that the root can be written

T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """The parts of a running service."""

    settings: ServiceSettings
    tokens: Tokens
    cluster: Cluster
    submissions: Submissions
    searches: Searches
    tasks: Tasks
    views: RunViews
    feeds: Feeds
    is_writable: SharedRead[bool]
    """The root; anyone may ask, so it is not tried for each."""
    _slow: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(SLOW, "slow"))

    @classmethod
    def of(cls, settings: ServiceSettings) -> Service:
        """The service that an operator has described."""
        cluster, submissions = Cluster(settings.cluster), Submissions(settings)
        searches = Searches(settings, cluster, submissions)
        tokens = Tokens(settings.tokens)
        return cls(
            settings,
            tokens,
            cluster,
            submissions,
            searches,
            Tasks(searches, settings.exports),
            RunViews(settings, cluster.job),
            Feeds(settings.max_streams, tokens),
            SharedRead(settings.store.is_writable, fresh=READY, retry=READY),
        )

    async def slowly(self, function: Callable[..., T], *arguments: object) -> T:
        """Calls what may take minutes, in threads that no read waits for."""
        return await asyncio.get_running_loop().run_in_executor(self._slow, function, *arguments)

    def changed(self, name: str) -> None:
        """Has the next request see a change that was just made."""
        self.cluster.look_again()
        self.views.look_again(name)


def service_of(request: Request) -> Service:
    """The service that answers a request."""
    return cast("Service", request.app.state.service)


def token_of(request: Request) -> Token:
    """The token of a request, which has been checked."""
    return cast("Token", request.state.token)


InService = Annotated[Service, Depends(service_of)]
Holder = Annotated[Token, Depends(token_of)]
SearchName = Annotated[str, Path(pattern=f"^{NAME}$", description="Of the search.")]


async def view_of(name: SearchName, service: InService) -> RunView:
    """The run that a path names, with what is new of it.

    Raises:
        Problem: 404 if there is none, 503 if its files cannot be read.
    """
    try:
        return await service.views.of(name)
    except KeyError:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"there is no search {name!r}",
            field="name",
            fix="GET /v1/searches lists them",
        ) from None
    except (ValueError, OSError) as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"search {name}: {error}") from None


View = Annotated[RunView, Depends(view_of)]
