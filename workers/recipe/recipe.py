"""The recipe of a merged model: validated when created, with a digest and a file format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import yaml

from evaluators.wording import counted
from workers.methods import METHODS, Method
from workers.recipe.chat_templates import template_errors
from workers.recipe.generation import generation_errors
from workers.recipe.group import Group, Value
from workers.recipe.mappings import check_keys, without_none
from workers.recipe.source import Layers, Source
from workers.recipe.tensors import depth_of, module_of
from workers.recipe.tokenizer import TokenizerChoice

DTYPES = ("float32", "float16", "bfloat16")
_SCALARS = ("seed", "dtype", "compat", "chat_template", "generation_config")


@dataclass(frozen=True)
class Recipe:
    """One merged model: method, models, parameters per group of tensors, seed and dtype.

    Two recipes with the same `digest` give the same bytes on every worker and device.

    Raises:
        ValueError: if method, parameters, groups or models do not fit together; the message
            lists every error.
    """

    method: str
    models: Mapping[str, Source]
    groups: tuple[Group, ...] = (Group({}),)
    base: Source | None = None
    seed: int = 0
    dtype: str | None = None
    """Of the merged model; by default that of the base, or of the first model without a base."""
    compat: Literal["mergekit"] | None = None
    tokenizer: TokenizerChoice | None = None
    """The vocabulary, as a choice or the text of one; without it, rows are matched by position."""
    chat_template: str | None = None
    """Of the merged model: a model's name, that of a standard one, or the text; None: no other."""
    generation_config: str | None = None
    """Of the merged model: a model's name, or its JSON text; None: that of the tokenizer's."""
    _method: Method = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(
                f"unknown merge method {self.method!r}; choose one of {', '.join(METHODS)}"
            )
        object.__setattr__(self, "_method", METHODS[self.method])
        object.__setattr__(self, "models", MappingProxyType(dict(self.models)))
        object.__setattr__(self, "groups", tuple(group.frozen() for group in self.groups))
        if self.tokenizer is not None:
            object.__setattr__(self, "tokenizer", TokenizerChoice.parse(self.tokenizer))
        if errors := [*self._model_errors(), *self._group_errors()]:
            raise ValueError(f"recipe ({self.method}): " + "; ".join(errors))

    def __reduce__(self) -> tuple[Any, ...]:
        return Recipe.from_dict, (self.to_dict(),)

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits that are equal exactly when two recipes are."""
        content = self.to_dict()
        content["models"] = {name: source.identity() for name, source in self.models.items()}
        content["base"] = self.base.identity() if self.base else None
        if self.tokenizer:
            content["tokenizer"] = self.tokenizer.identity()
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        order = ",".join(self.models)  # floating-point sums depend on it, and sort_keys removes it
        return hashlib.blake2b(f"{canonical}\n{order}".encode(), digest_size=6).hexdigest()

    @property
    def sources(self) -> dict[str, Source]:
        """Every model that is merged, with the base first."""
        return {**({"base": self.base} if self.base else {}), **self.models}

    @property
    def stacks(self) -> frozenset[Layers | None]:
        """The layers that its models are stacked from; None stands for a model as it is."""
        return frozenset(source.layers for source in self.sources.values())

    @property
    def token_sources(self) -> dict[str, Source]:
        """Every model whose tokens or rows count, with the base first and all that are merged."""
        others = self.tokenizer.models if self.tokenizer else {}
        return {**dict([*self.sources.items()][:1]), **others, **self.sources}

    def parameters(self, tensor: str, n_layers: int) -> Mapping[str, Value]:
        """The parameters of one tensor of a model with `n_layers` layers.

        Raises:
            ValueError: if no group covers the tensor.
        """
        depth, module = depth_of(tensor, n_layers), module_of(tensor)
        for group in self.groups:
            if group.covers(depth, module, tensor):
                return group.parameters
        raise ValueError(f"no group of the recipe covers {tensor} (depth {depth}, {module})")

    def to_dict(self) -> dict[str, Any]:
        """JSON and YAML values; `from_dict` reads them."""
        return {
            "method": self.method,
            "base": self.base.to_dict() if self.base else None,
            "models": {name: source.to_dict() for name, source in self.models.items()},
            "groups": [group.to_dict() for group in self.groups],
            **without_none(**{name: getattr(self, name) for name in _SCALARS}),
            **({"tokenizer": self.tokenizer.to_dict()} if self.tokenizer else {}),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Recipe:
        """Reads the output of `to_dict`.

        Raises:
            ValueError: if a key is unknown, missing or of the wrong type.
        """
        allowed = {"method", "base", "models", "groups", "tokenizer", *_SCALARS}
        check_keys(content, allowed, required={"method", "models"}, where="recipe")
        base, groups, models = content.get("base"), content.get("groups", [{}]), content["models"]
        if not isinstance(models, Mapping):
            raise ValueError(f"recipe: models: {models!r} is not a mapping of names to models")
        if not isinstance(groups, list | tuple):
            raise ValueError(f"recipe: groups: {groups!r} is not a list")
        return cls(
            method=content["method"],
            models={name: Source.parse(v, f"recipe: {name}") for name, v in models.items()},
            groups=tuple(Group.from_dict(value, i) for i, value in enumerate(groups)),
            base=Source.parse(base, "recipe: base") if base else None,
            **{k: content[k] for k in (*_SCALARS, "tokenizer") if k in content},
        )

    def to_yaml(self) -> str:
        """The text of a native recipe file."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str) -> Recipe:
        """Reads a native recipe file.

        Raises:
            ValueError: if it is not YAML or not a recipe.
        """
        try:
            content = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError) as error:  # such as a date with month 13
            raise ValueError(f"not valid YAML: {error}") from None
        if not isinstance(content, dict):
            raise ValueError(f"a recipe is a mapping, not {type(content).__name__}")
        if "objectives" in content:
            raise ValueError(
                "is the config of a search, not a recipe; run it by `mergefront search`"
            )
        return cls.from_dict(content)

    def _model_errors(self) -> list[str]:
        method, names = self._method, list(self.models)
        least, most = method.models
        errors = []
        if len(names) < least:
            errors.append(f"needs at least {counted(least, 'model')}, not {len(names)}")
        if most is not None and len(names) > most:
            errors.append(
                f"accepts at most {counted(most, 'model')}, not {len(names)}{method.advice_on_many}"
            )
        if method.needs_base and self.base is None:
            errors.append("needs a base: the model that task vectors are taken from")
        if self.dtype is not None and self.dtype not in DTYPES:
            errors.append(f"dtype {self.dtype!r} is not one of {', '.join(DTYPES)}")
        if self.compat not in (None, "mergekit"):
            errors.append(f"compat {self.compat!r} is not 'mergekit'")
        errors += self.tokenizer.errors(names) if self.tokenizer else []
        errors += template_errors(self.chat_template, list(self.token_sources))
        errors += generation_errors(self.generation_config, list(self.token_sources))
        if type(self.seed) is not int or not 0 <= self.seed < 2**63:
            errors.append(f"seed {self.seed!r} is not a whole number from 0 to 2**63 - 1")
        return errors

    def _group_errors(self) -> list[str]:
        return [
            f"groups.{i}.{error}"
            for i, group in enumerate(self.groups)
            for error in (
                *group.errors(),
                *self._method.errors(group.parameters, list(self.models)),
            )
        ]
