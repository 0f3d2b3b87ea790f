"""A recipe: everything that makes one merged model, with nothing left to chance."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import yaml

from workers.methods import METHODS, Method

MODULES = ("self_attn", "mlp", "norm", "embed", "head", "other")
DTYPES = ("float32", "float16", "bfloat16")

Value = float | bool | Mapping[str, float]

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\.")
_CLASSES = (  # the first pattern found in a tensor's name decides its module class
    ("norm", re.compile(r"norm|(?:^|\.)ln_|layernorm")),
    ("embed", re.compile(r"embed_tokens|(?:^|\.)wte\.|(?:^|\.)wpe\.|embed_in|tok_embeddings")),
    ("head", re.compile(r"lm_head|embed_out")),
    ("self_attn", re.compile(r"attn|attention")),
    ("mlp", re.compile(r"mlp|feed_forward|experts")),
)


@dataclass(frozen=True)
class Source:
    """A checkpoint that goes into a merge: a directory or hub id, perhaps with a LoRA adapter."""

    path: str
    revision: str | None = None
    adapter: str | None = None
    fingerprint: str | None = None
    """Hex digest of the content. Without one, the path and revision stand for it."""

    def identity(self) -> dict[str, str]:
        """What of this source decides the merged bytes."""
        if self.fingerprint:
            return {"fingerprint": self.fingerprint}
        return _present(path=self.path, revision=self.revision, adapter=self.adapter)


@dataclass(frozen=True)
class Group:
    """Tensors that share parameters: a depth range times some module classes."""

    parameters: Mapping[str, Value]
    layers: tuple[int, int] | None = None
    """First layer and the one after the last; None covers every depth."""
    modules: tuple[str, ...] | None = None
    """Some of `MODULES`; None covers them all."""

    def covers(self, depth: int, module: str) -> bool:
        """Whether a tensor of this class at this depth takes its parameters from here."""
        in_range = self.layers is None or self.layers[0] <= depth < self.layers[1]
        return in_range and (self.modules is None or module in self.modules)


@dataclass(frozen=True)
class Recipe:
    """One merged model: method, models, parameters per group of tensors, seed and dtype.

    Two recipes with the same `digest` give the same bytes on any worker, device and day.

    Raises:
        ValueError: if method, parameters, groups or models do not fit each other; one message
            names every fault.
    """

    method: str
    models: Mapping[str, Source]
    groups: tuple[Group, ...] = (Group({}),)
    base: Source | None = None
    seed: int = 0
    dtype: str | None = None
    """Of the merged model; None keeps that of the base, or of the first model without one."""
    compat: Literal["mergekit"] | None = None
    tokenizer: str | None = None
    """The model whose config and tokenizer the merged one leaves with; None is the base."""
    _method: Method = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(
                f"unknown merge method {self.method!r}; choose one of {', '.join(METHODS)}"
            )
        object.__setattr__(self, "_method", METHODS[self.method])
        object.__setattr__(self, "models", MappingProxyType(dict(self.models)))
        object.__setattr__(self, "groups", tuple(map(_frozen, self.groups)))
        if faults := [*self._shape_faults(), *self._parameter_faults()]:
            raise ValueError(f"recipe ({self.method}): " + "; ".join(faults))

    def __reduce__(self) -> tuple[Any, ...]:
        return Recipe.from_dict, (self.to_dict(),)

    @property
    def digest(self) -> str:
        """Twelve hex digits that are equal exactly when two recipes are."""
        content = self.to_dict()
        content["models"] = {name: source.identity() for name, source in self.models.items()}
        content["base"] = self.base.identity() if self.base else None
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        order = ",".join(self.models)  # floating-point sums depend on it, sorted keys lose it
        return hashlib.blake2b(f"{canonical}\n{order}".encode(), digest_size=6).hexdigest()

    def parameters(self, tensor: str, n_layers: int) -> Mapping[str, Value]:
        """The parameters of one tensor of a model with `n_layers` layers.

        Raises:
            ValueError: if no group covers the tensor.
        """
        depth, module = depth_of(tensor, n_layers), module_of(tensor)
        for group in self.groups:
            if group.covers(depth, module):
                return group.parameters
        raise ValueError(f"no group of the recipe covers {tensor} (depth {depth}, {module})")

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain JSON and YAML values; `from_dict` takes it back."""
        return {
            "method": self.method,
            "base": _source_to_dict(self.base) if self.base else None,
            "models": {name: _source_to_dict(source) for name, source in self.models.items()},
            "groups": [_group_to_dict(group) for group in self.groups],
            **_present(seed=self.seed, dtype=self.dtype),
            **_present(compat=self.compat, tokenizer=self.tokenizer),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Recipe:
        """Reads what `to_dict` wrote.

        Raises:
            ValueError: if a key is unknown, missing or of the wrong type.
        """
        allowed = {"method", "base", "models", "groups", "seed", "dtype", "compat", "tokenizer"}
        _check_keys(content, allowed, required={"method", "models"}, where="recipe")
        base, groups = content.get("base"), content.get("groups", [{}])
        return cls(
            method=content["method"],
            models={name: _source(value, name) for name, value in content["models"].items()},
            groups=tuple(_group(value, i) for i, value in enumerate(groups)),
            base=_source(base, "base") if base else None,
            **{k: content[k] for k in ("seed", "dtype", "compat", "tokenizer") if k in content},
        )

    def to_yaml(self) -> str:
        """The native recipe file."""
        return yaml.safe_dump(self.to_dict(), sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str) -> Recipe:
        """Reads a native recipe file.

        Raises:
            ValueError: if it is not YAML or not a recipe.
        """
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"not valid YAML: {error}") from None
        if not isinstance(content, dict):
            raise ValueError(f"a recipe is a mapping, not {type(content).__name__}")
        return cls.from_dict(content)

    def with_dtype(self, dtype: str) -> Recipe:
        """The same merge rounded to another dtype."""
        return replace(self, dtype=dtype)

    def _shape_faults(self) -> list[str]:
        method, names = self._method, list(self.models)
        least, most = method.models
        faults = []
        if len(names) < least:
            faults.append(f"needs at least {least} models, not {len(names)}")
        if most is not None and len(names) > most:
            faults.append(f"takes at most {most} models, not {len(names)}{method.advice_on_many}")
        if method.needs_base and self.base is None:
            faults.append("needs a base: the model that task vectors are taken from")
        if self.dtype is not None and self.dtype not in DTYPES:
            faults.append(f"dtype {self.dtype!r} is not one of {', '.join(DTYPES)}")
        if self.compat not in (None, "mergekit"):
            faults.append(f"compat {self.compat!r} is not 'mergekit'")
        if self.tokenizer not in (None, "base", *names):
            faults.append(f"tokenizer {self.tokenizer!r} is not 'base' or one of {names}")
        for i, group in enumerate(self.groups):
            if group.layers is not None and not 0 <= group.layers[0] < group.layers[1]:
                faults.append(f"groups.{i}.layers: {list(group.layers)} is empty or negative")
            if unknown := set(group.modules or ()) - set(MODULES):
                faults.append(
                    f"groups.{i}.modules: {sorted(unknown)} not among {', '.join(MODULES)}"
                )
        return faults

    def _parameter_faults(self) -> list[str]:
        return [
            f"groups.{i}.{fault}"
            for i, group in enumerate(self.groups)
            for fault in self._method.faults(group.parameters, list(self.models))
        ]


def module_of(tensor: str) -> str:
    """The module class of a checkpoint tensor, one of `MODULES`.

    >>> module_of("model.layers.3.self_attn.q_proj.weight")
    'self_attn'
    >>> module_of("model.layers.3.post_attention_layernorm.weight")
    'norm'
    """
    return next((name for name, pattern in _CLASSES if pattern.search(tensor)), "other")


def depth_of(tensor: str, n_layers: int) -> int:
    """The layer a tensor counts to: its own, the first for embeddings, the last for the rest.

    >>> depth_of("model.layers.3.mlp.up_proj.weight", 8), depth_of("lm_head.weight", 8)
    (3, 7)
    """
    if found := _LAYER.search(tensor):
        return int(found.group(1))
    return 0 if module_of(tensor) == "embed" else n_layers - 1


def _frozen(group: Group) -> Group:
    values = {name: _frozen_value(value) for name, value in group.parameters.items()}
    return replace(group, parameters=MappingProxyType(values))


def _frozen_value(value: Any) -> Any:
    """Numbers as floats, so that 1 and 1.0 have one digest; what is no number is for `faults`."""
    if isinstance(value, Mapping):
        return MappingProxyType({name: _frozen_value(each) for name, each in value.items()})
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else value


def _source_to_dict(source: Source) -> dict[str, Any]:
    return _present(
        path=source.path,
        revision=source.revision,
        adapter=source.adapter,
        fingerprint=source.fingerprint,
    )


def _group_to_dict(group: Group) -> dict[str, Any]:
    parameters = {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in group.parameters.items()
    }
    where = _present(
        layers=list(group.layers) if group.layers else None,
        modules=list(group.modules) if group.modules is not None else None,
    )
    return {**where, "parameters": parameters}


def _source(value: Any, name: str) -> Source:
    if isinstance(value, str):
        return Source(value)
    if not isinstance(value, Mapping):
        raise ValueError(f"recipe: {name}: a model is a path or a mapping, not {value!r}")
    allowed = {"path", "revision", "adapter", "fingerprint"}
    _check_keys(value, allowed, required={"path"}, where=f"recipe: {name}")
    return Source(**value)


def _group(value: Any, index: int) -> Group:
    where = f"recipe: groups.{index}"
    if not isinstance(value, Mapping):
        raise ValueError(f"{where}: a group is a mapping, not {value!r}")
    _check_keys(value, {"parameters", "layers", "modules"}, required=set(), where=where)
    layers, modules = value.get("layers"), value.get("modules")
    if layers is not None and not (isinstance(layers, list | tuple) and len(layers) == 2):
        raise ValueError(f"{where}.layers: {layers!r} is not a pair [first, one after the last]")
    return Group(
        parameters=value.get("parameters") or {},
        layers=(int(layers[0]), int(layers[1])) if layers else None,
        modules=tuple(modules) if modules is not None else None,
    )


def _check_keys(
    content: Mapping[str, Any], allowed: set[str], *, required: set[str], where: str
) -> None:
    if unknown := sorted(set(content) - allowed):
        raise ValueError(
            f"{where}: unknown key {unknown[0]!r}; known: {', '.join(sorted(allowed))}"
        )
    if missing := sorted(required - set(content)):
        raise ValueError(f"{where}: {missing[0]!r} is missing")


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
