"""Real small models, tokenizers and adapters of many architectures, made in a moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig

from workers.checkpoint import align, load_model, open_checkpoint, quiet, retokenize
from workers.checkpoint.parts import auto_class
from workers.doctor import Finding, examine
from workers.merging import Engine, MergeSettings
from workers.recipe import Recipe, Source

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
QWEN3_NEXT = {
    **{k: v for k, v in SHARED.items() if k not in WIDE},
    "num_experts_per_tok": 2,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
EXPERTS = {
    "mixtral": {**WIDE, "num_local_experts": 4},
    "qwen2_moe": SHARED,
    "qwen3_moe": QWEN_MOE,
    "qwen3_next": {**WIDE, **QWEN3_NEXT},
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
MAMBA = {
    "mamba_n_heads": 4,
    "mamba_d_head": 8,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
    "mamba_expand": 2,
}
PLAIN = {k: v for k, v in SHAPE.items() if k not in ("head_dim", "num_key_value_heads")}
HYBRIDS: dict[str, dict[str, Any]] = {
    "bamba": {**SHAPE, **MAMBA, "attn_layer_indices": [1]},
    "granitemoehybrid": {
        **SHAPE,
        **MAMBA,
        "layer_types": ["mamba", "attention"],
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "shared_intermediate_size": 20,
    },
    "falcon_h1": {**SHAPE, **MAMBA, "mamba_d_ssm": 32},
    "zamba2": {
        **PLAIN,
        "num_hidden_layers": 4,
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        "n_mamba_heads": 4,
        "mamba_d_state": 8,
        "mamba_ngroups": 1,
        "mamba_headdim": 8,
        "num_mem_blocks": 1,
        "adapter_rank": 4,
    },
    "nemotron_h": {
        **SHAPE,
        "num_hidden_layers": 3,
        "layers_block_type": ["mamba", "attention", "mlp"],
        "mamba_num_heads": 4,
        "mamba_head_dim": 8,
        "ssm_state_size": 8,
        "n_groups": 1,
    },
    "jamba": {
        **SHAPE,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "num_experts": 4,
        "mamba_d_state": 8,
        "mamba_dt_rank": 4,
        "use_mamba_kernels": False,
    },
    "mamba2": {**PLAIN, "num_heads": 4, "head_dim": 8, "state_size": 8, "n_groups": 1},
    "recurrent_gemma": {**SHAPE, "block_types": ["recurrent", "attention"], "lru_width": 16},
    "lfm2": {**SHAPE, "layer_types": ["conv", "full_attention"]},
}
"""A layer with a state-space, recurrent or convolution block, and one with attention."""
TEXT = {**SHAPE, "hidden_size": 32, "head_dim": 8}
CLIP = {
    "hidden_size": 32,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 16,
    "patch_size": 8,
}
QWEN_VISION = {"depth": 2, "hidden_size": 32, "num_heads": 4, "patch_size": 4}
WIDTHS = {"intermediate_size": 24, "out_hidden_size": 32}
QWEN_VL = {
    "text_config": {
        **{key: value for key, value in TEXT.items() if key != "head_dim"},
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e4,
            "mrope_section": [1, 1, 2],
        },
    },
    "image_token_id": 44,
    "video_token_id": 45,
    "vision_start_token_id": 46,
    "vision_end_token_id": 47,
}
MULTI_PART: dict[str, dict[str, Any]] = {
    "gemma3": {
        "text_config": {**TEXT, "query_pre_attn_scalar": 8},
        "vision_config": {**CLIP, "vision_use_head": False},
        "mm_tokens_per_image": 4,
        "image_token_index": 44,
        "boi_token_index": 45,
        "eoi_token_index": 46,
    },
    "qwen2_vl": {**QWEN_VL, "vision_config": {**QWEN_VISION, "embed_dim": 32, "mlp_ratio": 2}},
    "qwen2_5_vl": {
        **QWEN_VL,
        "vision_config": {**QWEN_VISION, **WIDTHS},
    },
    "qwen3_vl": {
        **QWEN_VL,
        "vision_config": {
            **QWEN_VISION,
            **WIDTHS,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 16,
        },
    },
    "qwen3_5_moe": {
        **QWEN_VL,
        "text_config": {**QWEN_VL["text_config"], **QWEN3_NEXT},
        "vision_config": {**QWEN_VISION, **WIDTHS, "num_position_embeddings": 16},
    },
    "mistral3": {
        "text_config": {**TEXT, "model_type": "mistral"},
        "vision_config": {**CLIP, "model_type": "pixtral", "head_dim": 8},
        "image_token_index": 44,
    },
    "llava": {
        "text_config": {**TEXT, "model_type": "llama"},
        "vision_config": {**CLIP, "model_type": "clip_vision_model"},
        "image_token_index": 44,
    },
    "qwen2_audio": {
        "text_config": {**TEXT, "model_type": "qwen2"},
        "audio_config": {
            "d_model": 32,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 24,
            "num_mel_bins": 8,
            "max_source_positions": 16,
        },
        "audio_token_index": 44,
    },
}
"""A language model of two layers, and a small tower."""
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
    known = {**TESTED, **HYBRIDS, **MULTI_PART, **FILES_ONLY}
    shape = known.get(architecture, {})
    config = AutoConfig.for_model(architecture, **{**shape, **changes})
    model = auto_class(config).from_config(config, dtype=dtype)
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


def findings_but_tokenizers(base: Source, models: dict[str, Source]) -> list[Finding]:
    """The doctor's: all models here have a tokenizer of words, whatever their class is."""
    return [each for each in examine(base, models) if "tokenizer.json" not in each.message]


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    """What changes the tensors of a model in one file."""

    def apply(folder: Path) -> None:
        file = folder / "model.safetensors"
        content = load_file(file)
        change(content)
        save_file(content, file, metadata={"format": "pt"})

    return apply


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
        live = auto_class(AutoConfig.from_pretrained(model)).from_pretrained(model)
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
