"""The model card of a merged model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCard, ModelCardData

from evaluators.wording import counted
from workers.checkpoint import (
    UNKNOWN_LICENCE,
    Checkpoint,
    licence_keys,
    licence_of,
)
from workers.evidence import Evidence
from workers.inherited import inherited
from workers.methods import METHODS
from workers.model_path import is_hub_id
from workers.recipe import Recipe, Source

TEMPLATE = """---
{{ card_data }}
---

# {{ title }}

{{ intro }}

## Models

{{ models }}

{{ licences }}

## Method

`{{ method }}`: {{ summary }}{{ paper }}
Seed {{ seed }}, recipe digest `{{ digest }}`, weights in {{ dtype }}. {{ settings }}

{{ evidence }}
## Reproducing it

    mergefront merge recipe.json OUT

{{ reproduced }}, from the same models. `mergekit_config.yml` is the same recipe
for mergekit{{ caveat }}.

<details><summary>The recipe</summary>

```yaml
{{ recipe }}
```

</details>
"""
_RANDOM = ", which draws other random masks"


def card(
    recipe: Recipe,
    opened: Mapping[str, Checkpoint],
    evidence: Evidence | None = None,
    title: str = "Merged model",
) -> str:
    """The text of README.md.

    Args:
        recipe: what was merged.
        opened: its models by name, the base first, and all that have a say in its vocabulary.
        evidence: the model's scores.
        title: the model's name.
    """
    data: dict[str, Any] = {
        **_based_on(recipe.token_sources.values(), "merge"),
        "library_name": "transformers",
    }
    texts = {
        "intro": _intro(recipe),
        "reproduced": "gives the same weights bit for bit",
        "dtype": recipe.dtype or next(iter(opened.values())).dtype,
        "settings": " ".join(each.sentence for each in inherited(recipe)),
    }
    return _card(recipe, opened, evidence or Evidence(), title, data, texts)


def adapter_card(
    recipe: Recipe,
    opened: Mapping[str, Checkpoint],
    base: Source,
    evidence: Evidence | None = None,
    title: str = "Merged adapter",
) -> str:
    """The text of an adapter's README.md.

    Args:
        recipe: what was merged.
        opened: its models by name.
        base: the model that the adapter is for.
        evidence: the scores of the model with it.
        title: the adapter's name.
    """
    data: dict[str, Any] = {
        **_based_on([base], "adapter"),
        "library_name": "peft",
    }
    texts = {
        "intro": (
            f"A merge of LoRA adapters on `{_short(base.path)}`, as one LoRA adapter, made with "
            "mergefront. It is exact up to rounding: its ranks are theirs, side by side."
        ),
        "reproduced": "gives the whole merged model, up to rounding",
        "dtype": "float32",
        "settings": " ".join(each.sentence for each in inherited(recipe, adapter=True)),
    }
    return _card(recipe, opened, evidence or Evidence(), title, data, texts)


def _card(
    recipe: Recipe,
    opened: Mapping[str, Checkpoint],
    evidence: Evidence,
    title: str,
    data: Mapping[str, Any],
    texts: Mapping[str, str],
) -> str:
    licences = {name: licence_of(checkpoint.path) for name, checkpoint in opened.items()}
    licence = _common_licence(list(opened.values()))
    method = METHODS[recipe.method]
    metadata = ModelCardData(
        **data,
        pipeline_tag="text-generation",
        tags=["merge", "mergefront", recipe.method],
        model_name=title,
        eval_results=[each.eval_result() for each in evidence.scores] or None,
        license=licence.get("license"),
        license_name=licence.get("license_name"),
        license_link=licence.get("license_link"),
    )
    made = ModelCard.from_template(
        metadata,
        template_str=TEMPLATE,
        title=title,
        **texts,
        models=_table(recipe.token_sources, licences),
        licences=_advice(licences, has_common=bool(licence)),
        method=method.name,
        summary=method.summary,
        paper=f" ([paper]({method.paper}))" if method.paper else "",
        seed=recipe.seed,
        digest=recipe.digest,
        evidence=f"{evidence.section.strip()}\n" if evidence.section else "",
        caveat=_RANDOM if recipe.method.startswith("dare") else "",
        recipe=yaml.safe_dump(_recipe_without_paths(recipe), sort_keys=False).strip(),
    )
    return str(made)


def _based_on(sources: Iterable[Source], relation: str) -> dict[str, Any]:
    named = linked_models(sources)
    return {"base_model": named, "base_model_relation": relation} if named else {}


def linked_models(sources: Iterable[Source]) -> list[str]:
    """The models and adapters of the hub; the name of a folder would be another model's there.

    >>> linked_models([Source("/models/gpt2", adapter="org/lora@v2"), Source("org/base")])
    ['org/lora', 'org/base']
    """
    found = (path for path in _paths(sources) if is_hub_id(path))
    return list(dict.fromkeys(path.partition("@")[0] for path in found))


def local_models(sources: Iterable[Source]) -> list[str]:
    """The folders of models and adapters, which a card's metadata does not name."""
    return list(dict.fromkeys(path for path in _paths(sources) if not is_hub_id(path)))


def _paths(sources: Iterable[Source]) -> Iterator[str]:
    for source in sources:
        yield from filter(None, (source.path, source.adapter))


def _common_licence(models: Sequence[Checkpoint]) -> dict[str, str]:
    """The licence as metadata if all models have the same; otherwise it is the user's decision."""
    first, *others = (licence_keys(checkpoint.path) for checkpoint in models)
    return first if all(each == first for each in others) else {}


def _advice(licences: Mapping[str, str], *, has_common: bool) -> str:
    if has_common:
        return f"All models are under {min(licences.values())}."
    unknown = [name for name, licence in licences.items() if licence == UNKNOWN_LICENCE]
    request = f" Ask for the licence of {', '.join(unknown)}." if unknown else ""
    return (
        "The terms of all these licences apply to this model, so its metadata names none; read "
        "them and add `license:` before you share it."
        f"{request}"
    )


def _intro(recipe: Recipe) -> str:
    """How many models were merged, and whether on another one as their base."""
    if recipe.method == "passthrough":
        return f"A copy of `{_title(*recipe.models.values())}`, made with mergefront."
    has_base = recipe.base is not None and recipe.base not in recipe.models.values()
    models = counted(len(recipe.models), "language model") + (" on a base" if has_base else "")
    return f"A merge of {models}, made with mergefront."


def _table(sources: Mapping[str, Source], licences: Mapping[str, str]) -> str:
    """A row for each model; revisions only if there are any, for local models have none."""
    rows = [["", "model", "revision", "licence"], ["---"] * 4]
    rows += [
        [name, _title(each), each.revision or "none", licences[name]]
        for name, each in sources.items()
    ]
    if not any(each.revision for each in sources.values()):
        rows = [[*row[:2], row[3]] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _title(source: Source) -> str:
    """A source with short paths."""
    adapter = source.adapter and _short(source.adapter)
    return str(Source(_short(source.path), adapter=adapter, layers=source.layers))


def _short(path: str) -> str:
    """A hub id, or the name of a local directory without its path."""
    return path if is_hub_id(path) else Path(path).name


def _recipe_without_paths(recipe: Recipe) -> dict[str, object]:
    content = recipe.to_dict()
    models = {name: _title(source) for name, source in recipe.models.items()}
    if recipe.tokenizer and recipe.tokenizer.models:
        others = {name: _title(source) for name, source in recipe.tokenizer.models.items()}
        content["tokenizer"] = {**content["tokenizer"], "models": others}
    return {**content, "base": _title(recipe.base) if recipe.base else None, "models": models}
