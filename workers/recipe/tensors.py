"""Layer and module class of a tensor, from its name."""

from __future__ import annotations

import re

MODULES = ("self_attn", "mlp", "norm", "embed", "head", "other")
"""The module classes that cover a model."""
PARTS = {"experts": "mlp", "router": "mlp", "ssm": "self_attn"}
"""Module class -> the one that it is a part of, whose parameters it has unless it has its own."""
ALL_MODULES = (*PARTS, *MODULES)
"""Parts first: of several groups that cover a tensor, the first one counts."""

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|block)\.(\d+)\.")
_CLASSES = (  # the first pattern found in a tensor's name decides its module class
    ("norm", re.compile(r"norm|(?:^|\.)ln_|layernorm")),
    (
        "embed",
        re.compile(
            r"embed_tokens|(?:^|\.)wte\.|(?:^|\.)wpe\.|embed_in|tok_embeddings"
            r"|(?:^|\.)embeddings\.weight"
        ),
    ),
    ("head", re.compile(r"lm_head|embed_out")),
    (  # Nemotron-H calls attention and MLP `mixer` too
        "ssm",
        re.compile(
            r"linear_attn|\.mamba\.|\.conv\.|\.temporal_block\.(?:linear_|conv_1d|rg_lru)|mlstm_layer"
            r"|\.mixer\.(?:A_log|D$|conv1d|dt_|in_proj|out_proj|x_proj)"
        ),
    ),
    ("self_attn", re.compile(r"attn|attention|\.(?:mixer|temporal_block)\.[qkvo]_proj")),
    (
        "router",
        re.compile(
            r"(?:^|\.)router|\.gate\.|shared_expert_gate|e_score_correction_bias|\.expert_bias"
        ),
    ),
    ("experts", re.compile(r"\.experts\.|block_sparse_moe\.(?:input|output)_linear")),
    ("mlp", re.compile(r"mlp|feed_forward|experts|block_sparse_moe|\.mixer\.|\.ffn\.")),
)


def module_of(tensor: str) -> str:
    """The module class of a checkpoint tensor, one of `ALL_MODULES`.

    Experts that every token uses (shared ones) are `mlp`; `experts` are those that a router picks.
    `ssm` are state-space, linear-attention and other layers that mix tokens in place of attention.

    >>> module_of("model.layers.3.self_attn.q_proj.weight")
    'self_attn'
    >>> module_of("model.layers.3.post_attention_layernorm.weight")
    'norm'
    >>> module_of("model.layers.3.mlp.experts.7.up_proj.weight")
    'experts'
    >>> module_of("model.layers.3.mamba.in_proj.weight")
    'ssm'
    """
    return next((name for name, pattern in _CLASSES if pattern.search(tensor)), "other")


def classes_of(module: str) -> tuple[str, ...]:
    """A module class, and the one that it is a part of.

    >>> classes_of("experts"), classes_of("mlp")
    (('experts', 'mlp'), ('mlp',))
    """
    return (module, PARTS[module]) if module in PARTS else (module,)


def is_vocabulary(tensor: str) -> bool:
    """Whether a tensor has a row per token: the token embedding or the head.

    >>> is_vocabulary("lm_head.weight"), is_vocabulary("transformer.wpe.weight")
    (True, False)
    """
    return module_of(tensor) in ("embed", "head") and ".wpe." not in f".{tensor}"


def layer_of(tensor: str) -> int | None:
    """The layer of a tensor; None for embeddings, the final norm and the head.

    >>> layer_of("model.layers.3.mlp.up_proj.weight"), layer_of("model.norm.weight")
    (3, None)
    """
    found = _LAYER.search(tensor)
    return int(found.group(1)) if found else None


def with_layer(tensor: str, layer: int) -> str:
    """The name of the same tensor in another layer.

    >>> with_layer("model.layers.3.mlp.up_proj.weight", 12)
    'model.layers.12.mlp.up_proj.weight'
    """
    found = _LAYER.search(tensor)
    return f"{tensor[: found.start(1)]}{layer}{tensor[found.end(1) :]}" if found else tensor


def depth_of(tensor: str, n_layers: int) -> int:
    """The layer whose group includes a tensor: its own, the first for embeddings, else the last.

    The layers of a tower count as the language model's layers of the same number.

    >>> depth_of("model.layers.3.mlp.up_proj.weight", 8), depth_of("lm_head.weight", 8)
    (3, 7)
    """
    layer = layer_of(tensor)
    if layer is not None:
        return min(layer, n_layers - 1)
    return 0 if module_of(tensor) == "embed" else n_layers - 1
