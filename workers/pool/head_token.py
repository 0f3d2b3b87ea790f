"""The token of a Ray that is this machine's own: without it any user of the machine runs code."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

TOKEN = "token"


def use_own_token(folder: Path) -> None:
    """Has Ray use a token of its own, unless the environment says how Ray is protected.

    Ray reads this when it is imported, so this comes before.

    Args:
        folder: of the file with the token, which only its owner can read.
    """
    if "RAY_AUTH_MODE" in os.environ:
        return
    file = folder / TOKEN
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(secrets.token_hex(32))
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(file))
