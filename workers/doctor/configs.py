"""Compares configs: settings that must be equal, and differences to know about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workers.checkpoint import Checkpoint, language_config
from workers.doctor.finding import Finding

MUST_AGREE = {  # with another value, the same tensors mean something else
    "model_type",
    "activation_function",
    "attention_bias",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "head_dim",
    "hidden_act",
    "hidden_activation",
    "hidden_size",
    "intermediate_size",
    "layer_types",
    "mlp_bias",
    "n_embd",
    "n_head",
    "n_inner",
    "n_layer",
    "num_attention_heads",
    "num_experts",
    "num_experts_per_tok",
    "num_hidden_layers",
    "num_key_value_heads",
    "num_local_experts",
    "partial_rotary_factor",
    "query_pre_attn_scalar",
    "use_sliding_window",
}
HARMLESS = {  # no effect on what the weights compute
    "_name_or_path",
    "architectures",
    "attention_dropout",
    "attn_pdrop",
    "chunk_size_feed_forward",
    "dtype",
    "embd_pdrop",
    "hidden_dropout",
    "id2label",
    "initializer_range",
    "label2id",
    "output_attentions",
    "output_hidden_states",
    "pretraining_tp",
    "problem_type",
    "resid_pdrop",
    "return_dict",
    "torch_dtype",
    "transformers_version",
    "use_cache",
}
REASON = "the weights would not be comparable; merge models of the same kind"
CHECKED_ELSEWHERE = {"vocab_size", "tie_word_embeddings"}
NESTED = "_config"
"""The end of keys with the settings of a part."""
LANGUAGE = ("", "text_config.")
"""Compared together with the tensors."""


def compare_configs(
    name: str,
    checkpoint: Checkpoint,
    config: Mapping[str, Any],
    other_name: str,
    other: Mapping[str, Any],
) -> Iterator[Finding]:
    """Findings about the differences of two normalised configs."""
    where = checkpoint.path / "config.json"

    def differ(key: str) -> str:
        return f"{where}: {key} is {config.get(key)!r}, {other_name} has {other.get(key)!r}"

    if config["model_type"] != other["model_type"]:
        yield Finding("error", name, f"{differ('model_type')}; {_same_kind(config, other)}")
        return
    tied = tuple(bool(each.get("tie_word_embeddings")) for each in (config, other))
    config, other = dict(_flat(config)), dict(_flat(other))
    for key in sorted({*config, *other}):
        part, setting = _split(key)
        if config.get(key) == other.get(key) or setting in HARMLESS | CHECKED_ELSEWHERE:
            continue
        if setting in MUST_AGREE and part in LANGUAGE:
            yield Finding("error", name, f"{differ(key)}; {REASON}")
        else:
            yield Finding("warning", name, f"{differ(key)}; the merged model uses {other_name}'s")
    if tied[0] != tied[1]:
        yield Finding(
            "warning",
            name,
            f"{checkpoint.config_file}: tie_word_embeddings is {tied[0]}, {other_name} has "
            f"{tied[1]}; the merged model has a head of its own",
        )


def _same_kind(config: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What to do about models of different types."""
    for whole, part in ((config, other), (other, config)):
        if language_config(whole).get("model_type") == part["model_type"]:
            return (
                f"a {part['model_type']} is only the language model of a {whole['model_type']}; "
                f"load its weights into a whole {whole['model_type']} and save that with "
                "transformers, or merge only models without the other parts"
            )
    return "merge models of one architecture"


def _flat(config: Mapping[str, Any], part: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting of a config and of the parts in it, such as `text_config.hidden_size`."""
    for key, value in config.items():
        if key.endswith(NESTED) and isinstance(value, Mapping):
            yield from _flat(value, f"{part}{key}.")
        else:
            yield f"{part}{key}", value


def _split(key: str) -> tuple[str, str]:
    """Part and setting of a key that `_flat` made."""
    part, dot, setting = key.rpartition(".")
    return part + dot, setting
