"""The model card of a merged model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from huggingface_hub import ModelCard, ModelCardData

from workers.checkpoint import UNKNOWN_LICENCE, Checkpoint, is_hub_id, licence_of
from workers.methods import METHODS
from workers.recipe import Recipe, Source

TEMPLATE = """---
{{ card_data }}
---

# {{ title }}

A merge of {{ count }} language models, made with mergefront.

## Models

| | model | revision | licence |
|---|---|---|---|
{{ rows }}

{{ licences }}

## Method

`{{ method }}`: {{ summary }}{{ paper }}
Seed {{ seed }}, recipe digest `{{ digest }}`, weights in {{ dtype }}.

{{ evidence }}
## Reproducing it

    mergefront merge recipe.json OUT

gives the same weights bit for bit, from the same models. `mergekit_config.yml` is the same recipe
for mergekit{{ caveat }}.

<details><summary>The recipe</summary>

```yaml
{{ recipe }}
```

</details>
"""
_RANDOM = ", which draws other random masks"


def card(recipe: Recipe, opened: Mapping[str, Checkpoint], evidence: str = "") -> str:
    """The text of README.md.

    Args:
        recipe: what was merged.
        opened: its models by name, the base first, and all that have a say in its vocabulary.
        evidence: a Markdown section with the model's scores.
    """
    licences = {name: licence_of(checkpoint.path) for name, checkpoint in opened.items()}
    method = METHODS[recipe.method]
    data = ModelCardData(
        base_model=list(dict.fromkeys(_title(source) for source in recipe.token_sources.values())),
        base_model_relation="merge",
        library_name="transformers",
        license=_common(licences),
        pipeline_tag="text-generation",
        tags=["merge", "mergefront", recipe.method],
    )
    made = ModelCard.from_template(
        data,
        template_str=TEMPLATE,
        title="Merged model",
        count=len(recipe.sources),
        rows="\n".join(_row(n, s, licences[n]) for n, s in recipe.token_sources.items()),
        licences=_advice(licences),
        method=method.name,
        summary=method.summary,
        paper=f" ([paper]({method.paper}))" if method.paper else "",
        seed=recipe.seed,
        digest=recipe.digest,
        dtype=recipe.dtype or next(iter(opened.values())).dtype,
        evidence=f"{evidence.strip()}\n" if evidence else "",
        caveat=_RANDOM if recipe.method.startswith("dare") else "",
        recipe=yaml.safe_dump(_recipe_without_paths(recipe), sort_keys=False).strip(),
    )
    return str(made)


def _common(licences: Mapping[str, str]) -> str | None:
    stated = set(licences.values())
    only = next(iter(stated)) if len(stated) == 1 else "other"
    return None if only == UNKNOWN_LICENCE else only


def _advice(licences: Mapping[str, str]) -> str:
    stated = set(licences.values())
    if len(stated) == 1 and UNKNOWN_LICENCE not in stated:
        return f"All models are under {min(stated)}."
    unknown = [name for name, licence in licences.items() if licence == UNKNOWN_LICENCE]
    request = f" Ask for the licence of {', '.join(unknown)}." if unknown else ""
    return (
        "The terms of all these licences apply to this model; read them before you share it."
        f"{request}"
    )


def _row(name: str, source: Source, licence: str) -> str:
    return f"| {name} | {_title(source)} | {source.revision or ''} | {licence} |"


def _title(source: Source) -> str:
    """A hub id, or the name of a local directory without its path."""
    path = source.path if is_hub_id(source.path) else Path(source.path).name
    adapter = source.adapter
    if adapter and not is_hub_id(adapter):
        adapter = Path(adapter).name
    return str(Source(path, adapter=adapter, layers=source.layers))


def _recipe_without_paths(recipe: Recipe) -> dict[str, object]:
    content = recipe.to_dict()
    models = {name: _title(source) for name, source in recipe.models.items()}
    if recipe.tokenizer and recipe.tokenizer.models:
        others = {name: _title(source) for name, source in recipe.tokenizer.models.items()}
        content["tokenizer"] = {**content["tokenizer"], "models": others}
    return {**content, "base": _title(recipe.base) if recipe.base else None, "models": models}
