"""Uploads a model directory to a repository of the Hugging Face hub, whole or not at all."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from huggingface_hub import HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
)

UNAUTHORIZED, FORBIDDEN = 401, 403
# of httpx or of its successor: that depends on the version of huggingface_hub
HTTPError = cast("type[Exception]", HfHubHTTPError.__bases__[0])


def check_target(repo: str, *, force: bool = False) -> None:
    """Checks that a repository can be written, before anything is computed.

    Args:
        repo: OWNER/NAME.
        force: its files may be replaced.

    Raises:
        ValueError: if the name is none, there is no token, it may not write there, or the
            repository has files already.
        OSError: if the hub cannot be reached.
    """
    owner, slash, _ = repo.partition("/")
    if not slash:
        raise ValueError(f"--push: {repo!r} has no owner; write OWNER/{repo}")
    api = HfApi()
    with _hub_errors(repo):
        _check_permission(api.whoami(), repo, owner)
        exists = api.repo_exists(repo)
        files = set(api.list_repo_files(repo)) - {".gitattributes"} if exists else set()
    if files and not force:
        raise ValueError(
            f"{repo} has files already; choose another name, or replace them with --force"
        )


def upload(folder: Path, repo: str, *, private: bool = True) -> str:
    """Makes a repository equal to a directory in one commit; returns its address.

    A repository that this call has made is deleted again if the upload fails.

    Args:
        folder: with the model.
        repo: OWNER/NAME.
        private: whether a new repository is visible only to its owner.

    Raises:
        ValueError: if the token may not write there.
        OSError: if the upload fails.
    """
    api = HfApi()
    retry = f"{folder} is complete; upload it with: hf upload {repo} {shlex.quote(str(folder))}"
    with _hub_errors(repo, f". {retry}"):
        is_new = not api.repo_exists(repo)
        if is_new:
            api.create_repo(repo, private=private)
        try:
            api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                commit_message="Upload a model merged with mergefront",
                delete_patterns="*",  # shards of an earlier model would be read too
            )
        except BaseException:
            if is_new:
                api.delete_repo(repo, missing_ok=True)
            raise
    return f"{api.endpoint}/{repo}"


def _check_permission(user: dict[str, object], repo: str, owner: str) -> None:
    organisations = user.get("orgs")
    names = [each["name"] for each in organisations] if isinstance(organisations, list) else []
    owners = [str(user["name"]), *names]
    if owner not in owners:
        raise ValueError(
            f"{repo}: your token's user may not write as {owner}, only as {', '.join(owners)}"
        )
    auth = user.get("auth")
    token = auth.get("accessToken") if isinstance(auth, dict) else None
    if isinstance(token, dict) and token.get("role") == "read":
        raise ValueError(
            f"{repo}: your token may only read; make one that may write at "
            "https://huggingface.co/settings/tokens"
        )


@contextmanager
def _hub_errors(repo: str, advice: str = "") -> Iterator[None]:
    """Says in one sentence what the hub did not allow, or that it was not reached."""
    try:
        yield
    except HFValidationError as error:
        raise ValueError(f"--push: {repo!r} is not OWNER/NAME: {error}") from None
    except LocalTokenNotFoundError:
        raise ValueError(
            f"{repo}: there is no token for the hub; run `hf auth login` or set HF_TOKEN{advice}"
        ) from None
    except HfHubHTTPError as error:
        status, said = error.response.status_code, error.server_message or str(error)
        if status == UNAUTHORIZED:
            raise ValueError(
                f"{repo}: the hub does not accept your token ({said}); run `hf auth login` or set "
                f"HF_TOKEN{advice}"
            ) from None
        if status == FORBIDDEN:
            raise ValueError(
                f"{repo}: your token has no permission to write there ({said}){advice}"
            ) from None
        raise OSError(f"{repo}: the hub answered with an error: {said}{advice}") from None
    except RuntimeError as error:  # of the upload of a large file
        raise OSError(f"{repo}: {error} {error.__cause__ or ''}{advice}".strip()) from None
    except (HTTPError, OfflineModeIsEnabled) as error:
        raise OSError(f"{repo}: the hub cannot be reached: {error}{advice}") from None
