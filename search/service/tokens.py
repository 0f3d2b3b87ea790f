"""Bearer tokens: a file each, with the hash of the secret, a role and an expiry."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

from search.ledger import Store

Role = Literal["read", "run", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each role may do what those before it may."""

CACHED = 5.0  # seconds for which a token is not read again, if its file is not on this machine

_TOKEN = re.compile(r"mf_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class TokenError(ValueError):
    """A token that does not open the service; the message says why, and never the token."""


@dataclass(frozen=True)
class Token:
    """What is known of a token; its secret is known only to its holder."""

    id: str
    name: str
    role: Role
    digest: str
    """SHA-256 of the secret, which has 256 random bits, so no slow hash is needed."""
    created: str
    expires: str | None
    """In ISO 8601; None is never."""

    def may(self, role: Role) -> bool:
        """Whether it has at least this role."""
        return ROLES.index(self.role) >= ROLES.index(role)

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires is not None and datetime.fromisoformat(self.expires) <= _now()

    def to_json(self) -> dict[str, str | None]:
        """What may be shown of it."""
        return {name: value for name, value in asdict(self).items() if name != "digest"}


class Tokens:
    """The tokens of a service.

    Args:
        folder: with a file per token, or its URI; replicas of a service share it.
    """

    def __init__(self, folder: Path | str) -> None:
        self._store = Store(folder)
        self._known: dict[str, tuple[float, Token]] = {}  # until when, of a store elsewhere

    def create(self, name: str, role: Role, days: float | None = None) -> tuple[Token, str]:
        """A new token, and the text that its holder sends: it is not kept anywhere.

        Args:
            name: of its holder, for people.
            role: what it may do.
            days: until it expires; None is never.

        Raises:
            ValueError: if the name is empty or too long, or the days are impossible.
        """
        if not 0 < len(name) <= 100 or not name.isprintable():
            raise ValueError("name: a token needs a printable name of at most 100 characters")
        if days is not None and not 0 < days <= 36_500:
            raise ValueError(f"days: {days} is not between 0 and 36500")
        now, secret = _now(), secrets.token_urlsafe(32)
        expires = None if days is None else (now + timedelta(days=days)).isoformat()
        token = Token(secrets.token_hex(8), name, role, _digest(secret), now.isoformat(), expires)
        self._store.write(_file(token.id), json.dumps(asdict(token)).encode(), private=True)
        return token, f"mf_{token.id}_{secret}"

    def all(self) -> list[Token]:
        """Every token, the oldest first."""
        return sorted(self._read_all(), key=lambda token: token.created)

    def revoke(self, token_id: str) -> None:
        """Ends a token at once.

        Raises:
            ValueError: if there is none with this id.
        """
        if not re.fullmatch(r"[0-9a-f]{16}", token_id):
            raise ValueError(f"there is no token {token_id[:40]!r}")
        if not self._store.exists(_file(token_id)):
            raise ValueError(f"there is no token {token_id!r}")
        self._store.delete(_file(token_id))
        self._known.pop(token_id, None)

    async def checked(self, text: str) -> Token:
        """As `check`, for callers that must not wait for another machine."""
        if self._store.is_local:
            return self.check(text)
        return await asyncio.to_thread(self.check, text)

    async def still_opens(self, token: Token) -> bool:
        """Whether a token that was checked before is neither revoked nor expired by now."""
        if token.is_expired:
            return False
        try:
            if self._store.is_local:
                return self._of(token.id) is not None
            return await asyncio.to_thread(self._of, token.id) is not None
        except OSError:  # nobody can know for a moment
            return True

    def check(self, text: str) -> Token:
        """The token that a request brings.

        Raises:
            TokenError: if it is unknown, revoked or expired.
            OSError: if the tokens cannot be read.
        """
        found = _TOKEN.fullmatch(text)
        token = self._of(found[1]) if found else None
        if not found or token is None or not hmac.compare_digest(token.digest, _digest(found[2])):
            raise TokenError("the token is unknown or was revoked")
        if token.is_expired:
            raise TokenError(f"the token expired at {token.expires}")
        return token

    def _of(self, token_id: str) -> Token | None:
        until, token = self._known.get(token_id, (0.0, None))
        if token is None or until < time.monotonic():
            token = self._read(_file(token_id))
            if token and not self._store.is_local:
                self._known[token_id] = time.monotonic() + CACHED, token
        return token

    def _read_all(self) -> Iterator[Token]:
        for file in self._store.files(""):
            if file.endswith(".json") and (token := self._read(file)):
                yield token

    def _read(self, file: str) -> Token | None:
        try:
            return Token(**json.loads(self._store.read(file)))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):  # damaged: it opens nothing
            return None


def _file(token_id: str) -> str:
    return f"{token_id}.json"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC)
