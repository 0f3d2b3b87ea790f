"""Reads and writes models on disk and the hub; does not know what a merge method is."""

from workers.checkpoint.adapter import Adapter, open_adapter
from workers.checkpoint.adapter_writer import Term, write_adapter
from workers.checkpoint.alignment import align
from workers.checkpoint.atomic_directory import temporary_directory
from workers.checkpoint.checkpoint import Checkpoint, DerivedCheckpoint, with_vocabulary_rows
from workers.checkpoint.difference import Difference, differences
from workers.checkpoint.headers import TensorInfo, read_json
from workers.checkpoint.host_memory import available_memory, check_memory
from workers.checkpoint.licence import UNKNOWN_LICENCE, licence_keys, licence_of
from workers.checkpoint.lineage import bases_of
from workers.checkpoint.live import (
    MetaModel,
    by_checkpoint_name,
    encoded_by_file,
    load_model,
    load_tokenizer,
    meta_model,
    no_view,
    with_prefix,
)
from workers.checkpoint.parts import language_config, tower_names
from workers.checkpoint.quiet import quiet
from workers.checkpoint.reader import open_checkpoint, open_headers
from workers.checkpoint.renamed_checkpoint import with_names_of
from workers.checkpoint.stacked_checkpoint import stack
from workers.checkpoint.transformers_config import normalised_config
from workers.checkpoint.vocabulary import (
    SPECIAL_IDS,
    Vocabulary,
    chosen_generation,
    chosen_template,
    generation_settings,
    merge_vocabularies,
    retokenize,
    template_of,
    vocabulary,
)
from workers.checkpoint.whole_checkpoint import with_towers
from workers.checkpoint.writer import SHARD_BYTES, write_config, write_model

__all__ = [
    "SHARD_BYTES",
    "SPECIAL_IDS",
    "UNKNOWN_LICENCE",
    "Adapter",
    "Checkpoint",
    "DerivedCheckpoint",
    "Difference",
    "MetaModel",
    "TensorInfo",
    "Term",
    "Vocabulary",
    "align",
    "available_memory",
    "bases_of",
    "by_checkpoint_name",
    "check_memory",
    "chosen_generation",
    "chosen_template",
    "differences",
    "encoded_by_file",
    "generation_settings",
    "language_config",
    "licence_keys",
    "licence_of",
    "load_model",
    "load_tokenizer",
    "merge_vocabularies",
    "meta_model",
    "no_view",
    "normalised_config",
    "open_adapter",
    "open_checkpoint",
    "open_headers",
    "quiet",
    "read_json",
    "retokenize",
    "stack",
    "template_of",
    "temporary_directory",
    "tower_names",
    "vocabulary",
    "with_names_of",
    "with_prefix",
    "with_towers",
    "with_vocabulary_rows",
    "write_adapter",
    "write_config",
    "write_model",
]
