"""The service: searches over HTTP, and its client. Only importer of FastAPI, uvicorn and httpx2.

`create_app` is in `search.service.app`, which imports FastAPI; the application for Ray Serve is in
`search.service.deployment`.
"""

from search.service.client import Client, ServiceError, ServiceUnavailableError
from search.service.server import serve
from search.service.settings import ServiceSettings, data_folders, root_of
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
    "data_folders",
    "root_of",
    "serve",
]
