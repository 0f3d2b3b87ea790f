"""The service: searches over HTTP, and its client. Only importer of FastAPI and uvicorn.

`create_app` is in `search.service.app`, which imports FastAPI.
"""

from search.service.settings import ServiceSettings
from search.service.tokens import ROLES, Role, Token, TokenError, Tokens

__all__ = ["ROLES", "Role", "ServiceSettings", "Token", "TokenError", "Tokens"]
