"""Real small models, tokenizers and adapters of many architectures, made in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoModelForCausalLM

from workers.checkpoint import align, load_model, open_checkpoint, quiet, retokenize
from workers.merging import Engine, MergeSettings
from workers.recipe import Recipe

SHAPE = {
    "vocab_size": 48,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
GPT2 = {
    "vocab_size": 48,
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
ARCHITECTURES = {
    "llama": SHAPE,
    "mistral": SHAPE,
    "qwen2": SHAPE,
    "qwen3": SHAPE,
    "gemma": SHAPE,
    "gemma2": {**SHAPE, "query_pre_attn_scalar": 4},
    "gemma3_text": {**SHAPE, "query_pre_attn_scalar": 4},
    "phi3": SHAPE,
    "gpt2": GPT2,
}
NEOX = {k: v for k, v in SHAPE.items() if k not in ("num_key_value_heads", "head_dim")}
RENAMED = {"gpt_neox": NEOX}
"""Some of their tensors have other names in files than live."""
WIDE = {**SHAPE, "hidden_size": 32, "head_dim": 8, "num_experts_per_tok": 2}
QWEN_MOE = {**WIDE, "num_experts": 4, "moe_intermediate_size": 24}
SHARED = {**QWEN_MOE, "shared_expert_intermediate_size": 20}
DEEPSEEK = {
    **WIDE,
    "moe_intermediate_size": 24,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "n_group": 2,
    "topk_group": 1,
    "first_k_dense_replace": 1,
}
LATENT = {
    **DEEPSEEK,
    "num_key_value_heads": 4,
    "head_dim": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 4,
    "v_head_dim": 8,
}
EXPERTS = {
    "mixtral": {**WIDE, "num_local_experts": 4},
    "qwen2_moe": SHARED,
    "qwen3_moe": QWEN_MOE,
    "qwen3_next": {
        **SHARED,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "layer_types": ["linear_attention", "full_attention"],
    },
    "olmoe": QWEN_MOE,
    "deepseek_v2": {**LATENT, "topk_method": "group_limited_greedy"},
    "deepseek_v3": LATENT,
    "glm4_moe": DEEPSEEK,
    "glm4_moe_lite": LATENT,
    "gpt_oss": {
        **WIDE,
        "num_local_experts": 4,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
    },
    "granitemoe": {**WIDE, "num_local_experts": 4},
    "granitemoeshared": {**WIDE, "num_local_experts": 4, "shared_intermediate_size": 20},
    "phimoe": {**WIDE, "num_local_experts": 4},
}
"""Mixtures of four experts, of which a token uses two."""
TESTED = {**ARCHITECTURES, **RENAMED, **EXPERTS}
"""Every architecture of which models are searched and merged in the tests."""
FILES_ONLY = {"hrm_text": SHAPE}
"""Their live models cannot be merged in place."""
WORDS = ["<s>", "</s>", *(f"w{i}" for i in range(38))]
"""Eight fewer than the models have rows: real models are padded too."""


def make_model(
    folder: Path,
    architecture: str = "llama",
    seed: int = 0,
    *,
    dtype: torch.dtype = torch.float32,
    words: list[str] | None = None,
    **changes: Any,
) -> Path:
    """Random weights, with a tokenizer and a model card beside them."""
    torch.manual_seed(seed)
    shape = {**TESTED, **FILES_ONLY}[architecture]
    config = AutoConfig.for_model(architecture, **{**shape, **changes})
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    with torch.no_grad():
        stored = {each.data_ptr(): each for each in model.state_dict().values()}
        for tensor in stored.values():  # norms too: all that is 1 everywhere hides faults
            tensor.add_(torch.randn(tensor.shape) * 0.05)
    model.save_pretrained(folder)
    make_tokenizer(folder, words or WORDS)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
    return folder


def make_tokenizer(folder: Path, words: list[str]) -> None:
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<s>"
    )
    fast.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    fast.save_pretrained(folder)


def make_adapter(
    folder: Path,
    model: Path,
    seed: int = 0,
    *,
    rows: int | None = None,
    save_embedding_layers: bool | Literal["auto"] = "auto",
    **changes: Any,
) -> Path:
    """A LoRA adapter with random weights, trained with that many vocabulary rows."""
    import peft

    with quiet():
        torch.manual_seed(seed)
        live = AutoModelForCausalLM.from_pretrained(model)
        if rows:
            live.resize_token_embeddings(rows, mean_resizing=False)
        settings = {"r": 3, "lora_alpha": 5, "target_modules": ["q_proj", "down_proj"], **changes}
        adapted = peft.get_peft_model(live, peft.LoraConfig(task_type="CAUSAL_LM", **settings))
        with torch.no_grad():
            for parameter in adapted.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn(parameter.shape) * 0.1)
        adapted.save_pretrained(folder, save_embedding_layers=save_embedding_layers)
    return folder


def merged_live(recipe: Recipe) -> torch.nn.Module:
    """The model that a worker would score."""
    found = {name: open_checkpoint(source) for name, source in recipe.token_sources.items()}
    opened = align(retokenize(found, recipe.tokenizer, recipe.chat_template))
    base, models = opened["base"], {name: opened[name] for name in recipe.models}
    live = load_model(base)
    Engine(models, base, settings=MergeSettings(mode="eager")).apply(recipe, live)
    return live
