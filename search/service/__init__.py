"""The service: searches over HTTP, and its client. Only importer of FastAPI, uvicorn and httpx2.

`create_app` is in `search.service.app`, which imports FastAPI.
"""

from search.service.client import Client, ServiceError, ServiceUnavailableError
from search.service.server import serve
from search.service.settings import ServiceSettings
from search.service.tokens import ROLES, Role, Token, TokenError, Tokens

__all__ = [
    "ROLES",
    "Client",
    "Role",
    "ServiceError",
    "ServiceSettings",
    "ServiceUnavailableError",
    "Token",
    "TokenError",
    "Tokens",
    "serve",
]
