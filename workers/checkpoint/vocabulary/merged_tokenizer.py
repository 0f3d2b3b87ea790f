"""The tokenizer of a merged model as a directory in the cache: a model's, with changes."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken

from workers.checkpoint.checkpoint import Checkpoint
from workers.checkpoint.headers import read_json
from workers.checkpoint.location import cache_folder
from workers.checkpoint.quiet import quiet
from workers.checkpoint.vocabulary.tokens import SETTINGS, TEMPLATE, template_of
from workers.checkpoint.writer import TOKENIZER_FILES, copy_tokenizer_files

VERSION = 1
"""Of the cached directories; increase it when their content changes."""
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def tokenizer_directory(
    source: Checkpoint, added: Mapping[str, Mapping[str, Any]], ids: Mapping[str, int]
) -> Path:
    """The directory of a model's tokenizer with these tokens added, its own if there are none.

    Args:
        source: the model.
        added: the tokens, as `tokenizer.json` describes them.
        ids: the ids that they must get.

    Raises:
        ValueError: if the tokenizer gives them other ids.
    """
    if not added:
        return source.tokenizer_path
    return _cached(
        _digest(source.tokenizer_path, json.dumps(list(added.items()))),
        source.tokenizer_path,
        lambda folder: _add_tokens(folder, added, ids),
    )


def with_template(tokenizer: Path, template: str) -> Path:
    """The directory of a tokenizer with another chat template."""
    if template_of(tokenizer) == template:
        return tokenizer
    return _cached(
        _digest(tokenizer, template), tokenizer, lambda folder: _set_template(folder, template)
    )


def _cached(digest: str, source: Path, change: Callable[[Path], None]) -> Path:
    """A changed copy of a tokenizer's directory, made if it does not exist yet."""
    folder = cache_folder() / "tokenizers" / f"{digest}-{VERSION}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            copy_tokenizer_files(source, draft)
            change(draft)
            draft.chmod(0o755)
            _rename(draft, folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def _set_template(folder: Path, template: str) -> None:
    file = folder / SETTINGS
    if file.is_file():
        settings = read_json(file)
        settings.pop("chat_template", None)
        file.write_text(json.dumps(settings, indent=2, ensure_ascii=False), encoding="utf-8")
    shutil.rmtree(folder / "additional_chat_templates", ignore_errors=True)
    (folder / TEMPLATE).write_text(template, encoding="utf-8")


def _add_tokens(
    folder: Path, added: Mapping[str, Mapping[str, Any]], ids: Mapping[str, int]
) -> None:
    import transformers  # noqa: PLC0415 - slow to import

    with quiet():
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    tokenizer.add_tokens(
        [
            AddedToken(token, **{key: spec[key] for key in _FLAGS if key in spec})
            for token, spec in added.items()
        ]
    )
    for token in added:
        if (found := tokenizer.convert_tokens_to_ids(token)) != ids[token]:
            raise ValueError(
                f"{folder}: the tokenizer gives the added token {token!r} the id {found}, but its "
                f"row is {ids[token]}; number the tokens of the base without a gap"
            )
    tokenizer.save_pretrained(folder)


def _rename(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:  # another process was faster
        if not folder.is_dir():
            raise


def _digest(folder: Path, change: str) -> str:
    digest = hashlib.blake2b(change.encode(), digest_size=16)
    for name in TOKENIZER_FILES:
        if (folder / name).is_file():
            digest.update(name.encode() + (folder / name).read_bytes())
    return digest.hexdigest()
