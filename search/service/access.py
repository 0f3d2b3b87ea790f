"""Who may ask what: every request is refused unless its token has the role that it needs."""

from __future__ import annotations

from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from search.service.limits import RateLimit
from search.service.problems import Problem, unreadable_root
from search.service.tokens import Role, Token, TokenError, Tokens

OPEN = ("/healthz", "/readyz")
PROTECTED = ("/v1", "/metrics")
"""Beside these there are only the files of the page, which show nothing without a token."""
COSTLY = 40.0  # all requests to those that read a config, start a job or make a report
WRONG_TOKENS = (1.0, 30.0)  # per second and at once, of one address


def needed_role(method: str, path: str) -> Role | None:
    """The least role for a request, or None if it needs no token.

    >>> needed_role("GET", "/v1/searches"), needed_role("POST", "/v1/searches")
    ('read', 'run')
    """
    if path in OPEN or not path.startswith(PROTECTED):
        return None
    if path.startswith("/v1/tokens"):
        return "admin"
    return "read" if method in ("GET", "HEAD") else "run"


def is_costly(method: str, path: str) -> bool:
    """Whether a request may take seconds.

    >>> is_costly("GET", "/v1/searches"), is_costly("POST", "/v1/check")
    (False, True)
    """
    return method == "POST" or path.endswith("/report")


def route_path(scope: Scope) -> str:
    """The path by which the router chooses a route: without the prefix of a server in front.

    >>> route_path({"path": "/team/v1/me", "root_path": "/team"})
    '/v1/me'
    """
    path, prefix = str(scope["path"]), str(scope.get("root_path", ""))
    is_below = path == prefix or path.startswith(f"{prefix}/")  # as Starlette's router sees it
    return path[len(prefix) :] if is_below else path


class Access:
    """Checks the token of each request before anything else is done with it.

    Args:
        app: what answers the request.
        tokens: that open the service.
        rate: requests per second of a token.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens, rate: float) -> None:
        self._app, self._tokens = app, tokens
        self._requests = RateLimit(rate, 2 * rate)
        self._costly = RateLimit(rate / COSTLY, 2 * rate / COSTLY)
        self._failures = RateLimit(*WRONG_TOKENS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (role := needed_role(scope["method"], route_path(scope))):
            try:
                scope.setdefault("state", {})["token"] = await self._checked(scope, role)
            except Problem as problem:
                return await problem.response(scope, receive, send)
        return await self._app(scope, receive, send)

    async def _checked(self, scope: Scope, role: Role) -> Token:
        token = await self._token(scope)
        self._requests.take(token.id)
        if is_costly(scope["method"], route_path(scope)):
            self._costly.take(token.id)
        if not token.may(role):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                f"the token {token.name!r} has the role {token.role}; this needs {role}",
                fix=f"ask the operator for a token with the role {role}",
            )
        return token

    async def _token(self, scope: Scope) -> Token:
        scheme, _, text = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        try:
            if scheme.lower() != b"bearer":
                raise TokenError("this needs a token")
            return await self._tokens.checked(text.decode("ascii", "replace").strip())
        except OSError as error:
            raise unreadable_root(error) from None
        except TokenError as error:
            self._failures.take((scope.get("client") or ("unknown",))[0])
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                str(error),
                fix="send `Authorization: Bearer TOKEN`; the operator makes one with "
                "`mergefront token create`",
                headers={"WWW-Authenticate": "Bearer"},
            ) from None
