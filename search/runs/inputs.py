"""The inputs of a run, and which of them have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.tasks import read_folder, strings

if TYPE_CHECKING:
    from search.config import Config, Plan
    from workers.recipe import Source

HARMLESS_KEYS = ("name", "budget", "workers", "run", "merging", "recipes", "track", "verdict")
"""Keys of a config that affect no trial."""
BY_CONTENT = ("base", "models", "tasks")
"""Keys whose files may move, so their digests are compared instead."""


def inputs(plan: Plan) -> dict[str, str]:
    """Digests of everything that decides a score: models, tokens, tasks and documents, by name."""
    found = {"base": str(plan.base.fingerprint)}
    found |= {f"models.{name}": str(each.fingerprint) for name, each in plan.models.items()}
    if plan.config.tokenizer:
        found |= _tokenizers({"base": plan.base, **plan.models})
    for name, (task, documents) in plan.tasks.items():
        found |= {f"task {name}": task, f"documents of {name}": documents}
    return found


def _tokenizers(models: Mapping[str, Source]) -> dict[str, str]:
    """Digests of the files that say which row is which token."""
    from workers.checkpoint import open_headers, vocabulary  # imports torch

    known = {name: vocabulary(open_headers(source)) for name, source in models.items()}
    return {f"tokenizer of {name}": each.digest for name, each in known.items() if each}


def changed_inputs(before: Mapping[str, str], plan: Plan) -> list[str]:
    """What has changed since the run began, each with its old and new digest, and where it is."""
    now = inputs(plan)
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    paths = _paths(plan) if changed else {}
    return [
        f"{name}: {_was(before.get(name))}, {_is(now.get(name))}"
        + (f" ({paths[name]})" if name in paths else "")
        for name in changed
    ]


def undo_or_restart(root: str | Path) -> str:
    """What to do about changed inputs."""
    return (
        "Undo these changes, or start a new run with the trials of this one: set another "
        f"`run:` in a config and `mergefront search CONFIG --from {root}`"
    )


def _paths(plan: Plan) -> dict[str, str]:
    """The files of inputs that are in files of the user, by name of the input."""
    found = {"base": plan.base.path}
    found |= {f"models.{name}": each.path for name, each in plan.models.items()}
    files = read_folder(Path(plan.suite.folder)) if plan.suite.folder else {}
    for name, file in files.items():
        found[f"task {name}"] = str(file.path)
        given = strings((file.config.get("dataset_kwargs") or {}).get("data_files"))
        if data := [str(file.path.parent / each) for each in given]:
            found[f"documents of {name}"] = ", ".join(data)
    return found


def changed_keys(before: Config, now: Config) -> tuple[list[str], list[str]]:
    """The changed keys of a config: those that affect scores, and the others."""
    old, new = before.model_dump(mode="json"), now.model_dump(mode="json")
    matters: list[str] = []
    harmless: list[str] = []
    for key in old:
        if key in BY_CONTENT:
            continue
        differences = list(_differences(key, old[key], new[key]))
        (harmless if key in HARMLESS_KEYS else matters).extend(differences)
    return matters, harmless


def _differences(path: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _differences(f"{path}.{key}", old.get(key), new.get(key))
    elif old != new:
        yield f"{path}: was {old!r}, is {new!r}"


def _was(digest: str | None) -> str:
    return f"was {digest}" if digest else "was not there"


def _is(digest: str | None) -> str:
    return f"is {digest}" if digest else "is gone"
