"""Bearer tokens: a file each, with the hash of the secret, a role and an expiry."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

Role = Literal["read", "run", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each role may do what those before it may."""

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
        folder: with a file per token; replicas of a service share it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

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
        self._write(token)
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
        try:
            self._file(token_id).unlink()
        except FileNotFoundError:
            raise ValueError(f"there is no token {token_id!r}") from None

    def check(self, text: str) -> Token:
        """The token that a request brings.

        Raises:
            TokenError: if it is unknown, revoked or expired.
        """
        found = _TOKEN.fullmatch(text)
        token = self._read(self._file(found[1])) if found else None
        if not found or token is None or not hmac.compare_digest(token.digest, _digest(found[2])):
            raise TokenError("the token is unknown or was revoked")
        if token.is_expired:
            raise TokenError(f"the token expired at {token.expires}")
        return token

    def _file(self, token_id: str) -> Path:
        return self._folder / f"{token_id}.json"

    def _write(self, token: Token) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._folder / f".{token.id}"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(token), file)
        temporary.replace(self._file(token.id))

    def _read_all(self) -> Iterator[Token]:
        for file in self._folder.glob("*.json"):
            if token := self._read(file):
                yield token

    @staticmethod
    def _read(file: Path) -> Token | None:
        try:
            return Token(**json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):  # damaged: it opens nothing
            return None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC)
