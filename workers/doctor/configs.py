"""Compares configs: settings that must be equal, and differences to know about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workers.checkpoint import Checkpoint
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
        yield Finding("error", name, f"{differ('model_type')}; merge models of one architecture")
        return
    for key in sorted({*config, *other} - HARMLESS - CHECKED_ELSEWHERE):
        if config.get(key) == other.get(key):
            continue
        if key in MUST_AGREE:
            yield Finding("error", name, f"{differ(key)}; {REASON}")
        else:
            yield Finding("warning", name, f"{differ(key)}; the merged model uses {other_name}'s")
    if config.get("tie_word_embeddings") != other.get("tie_word_embeddings"):
        ours, theirs = (bool(each.get("tie_word_embeddings")) for each in (config, other))
        yield Finding(
            "warning",
            name,
            f"{checkpoint.config_file}: tie_word_embeddings is {ours}, {other_name} has {theirs}; "
            "the merged model has a head of its own",
        )
