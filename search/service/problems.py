"""Errors of the service as `application/problem+json` (RFC 9457), with the field and the fix."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
MAX_DETAIL = 2000  # characters: an error repeats what was given
_TEXT = {"type": ["string", "null"]}
_ERROR = {"type": "object", "properties": {"field": _TEXT, "detail": {"type": "string"}}}
_FIELDS = {
    "type": {"type": "string"},
    "title": {"type": "string"},
    "status": {"type": "integer"},
    "detail": {"type": "string"},
    "field": _TEXT,
    "fix": _TEXT,
    "errors": {"type": "array", "items": _ERROR},
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem, with the field and the fix",
        "content": {
            MEDIA_TYPE: {
                "schema": {"type": "object", "properties": _FIELDS, "required": list(_FIELDS)}
            }
        },
    }
}
"""What the API's description says of errors."""
_SECRETS = re.compile(r"\b(?:mf_[0-9a-f]{16}_|hf_)[\w-]{8,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_FIELD = re.compile(r"([A-Za-z_][\w.\-]*): (.+)", re.DOTALL)


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """An answer that is an error.

    Args:
        status: of HTTP.
        detail: what is wrong.
        field: of the request or the config, if one is to blame.
        fix: what to do.
        errors: every error of a config.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        field: str | None = None,
        fix: str | None = None,
        errors: Sequence[str] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.fix = status, detail, field, fix
        self.errors = [field_error(each) for each in errors]
        self.headers = headers or {}

    @property
    def response(self) -> JSONResponse:
        """The answer."""
        content: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": without_secrets(self.detail)[:MAX_DETAIL],
            "field": self.field,
            "fix": self.fix,
            "errors": self.errors,
        }
        return JSONResponse(content, self.status.value, media_type=MEDIA_TYPE, headers=self.headers)


def unreadable_root(error: OSError) -> Problem:
    """The answer while the place of all state cannot be reached."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"the root cannot be reached: {error.strerror or error}",
        fix="try again later; running searches go on",
        headers={"Retry-After": "30"},
    )


def field_error(message: str) -> dict[str, str | None]:
    """An error of a config, with its field apart.

    >>> field_error("models.a: does not exist")
    {'field': 'models.a', 'detail': 'does not exist'}
    """
    found = _FIELD.fullmatch(without_secrets(message)[:MAX_DETAIL])
    field, detail = found.groups() if found else (None, without_secrets(message)[:MAX_DETAIL])
    return {"field": field, "detail": detail}


def without_secrets(text: str) -> str:
    """A text in which tokens and passwords of URLs are replaced by dots.

    >>> without_secrets("s3://key:secret@bucket")
    's3://…@bucket'
    """
    return _SECRETS.sub("…", text)
