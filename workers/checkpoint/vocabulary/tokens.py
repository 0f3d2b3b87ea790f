"""The tokens of a model, read from the files of its tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.checkpoint.checkpoint import Checkpoint
from workers.checkpoint.headers import read_json

TOKENIZER, SETTINGS, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
SPECIAL_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")
"""Keys of a config that name tokens."""
_STEPS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")
_SWITCHES = ("add_bos_token", "add_eos_token")


@dataclass(frozen=True)
class Vocabulary:
    """The parts of a tokenizer that a merge depends on."""

    file: Path
    ids: Mapping[str, int]
    rules: Mapping[str, str]
    """Digest of each step of the tokenizer."""
    core: str
    """Digest of how text is split into tokens: the kind of model and its merges or scores."""
    added: Mapping[str, Mapping[str, Any]]
    """Tokens beside the core vocabulary, and how they are matched."""
    special: Mapping[str, Any]
    template: str

    @property
    def settings_file(self) -> Path:
        """The file beside it that names the special tokens."""
        return self.file.parent / SETTINGS

    @property
    def digest(self) -> str:
        """Hex digest of the file."""
        return hashlib.blake2b(self.file.read_bytes(), digest_size=16).hexdigest()

    @property
    def size(self) -> int:
        """The largest id plus one."""
        return max(self.ids.values(), default=-1) + 1


def vocabulary(checkpoint: Checkpoint) -> Vocabulary | None:
    """A model's vocabulary; None where it has no `tokenizer.json`.

    Raises:
        ValueError: if the file is damaged.
    """
    folder = checkpoint.tokenizer_path
    file = folder / TOKENIZER
    if not file.is_file():
        return None
    content = read_json(file)
    settings = {}
    if (folder / SETTINGS).is_file():
        settings = read_json(folder / SETTINGS)
    try:
        ids = _ids(content)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{file}: contains no vocabulary; download it again") from None
    model = {k: v for k, v in content["model"].items() if k != "vocab"}
    parts = {**{step: content.get(step) for step in _STEPS}, "model": model}
    return Vocabulary(
        file=file,
        ids=ids,
        rules={name: _digest(part) for name, part in parts.items()},
        core=_digest(_core(content["model"])),
        added={each["content"]: each for each in content.get("added_tokens", [])},
        special={key: _text(settings.get(key)) for key in (*_TOKENS, *_SWITCHES)},
        template=template_of(folder) or "",
    )


def template_of(folder: Path) -> str | None:
    """The chat template in a tokenizer's directory, the default one of several."""
    if (folder / TEMPLATE).is_file():
        return (folder / TEMPLATE).read_text(encoding="utf-8")
    settings = read_json(folder / SETTINGS) if (folder / SETTINGS).is_file() else {}
    found = settings.get("chat_template")
    if isinstance(found, list):
        found = {each["name"]: each["template"] for each in found}.get("default")
    return found if isinstance(found, str) else None


def _ids(content: Mapping[str, Any]) -> dict[str, int]:
    vocab = content["model"]["vocab"]
    ids = vocab if isinstance(vocab, dict) else {piece[0]: i for i, piece in enumerate(vocab)}
    added = {str(each["content"]): int(each["id"]) for each in content.get("added_tokens", [])}
    return {**ids, **added}


def _core(model: Mapping[str, Any]) -> list[Any]:
    merges = [m if isinstance(m, str) else " ".join(m) for m in model.get("merges") or []]
    scores = None if isinstance(model["vocab"], dict) else model["vocab"]
    return [model.get("type"), merges, scores]


def _text(token: Any) -> Any:
    return token.get("content") if isinstance(token, dict) else token


def _digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value, sort_keys=True).encode()).hexdigest()
