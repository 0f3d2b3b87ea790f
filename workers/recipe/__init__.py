"""Describes one merged model completely; does not know how it is computed."""

from workers.recipe.average import average
from workers.recipe.chat_templates import TEMPLATES, is_template, template_errors
from workers.recipe.generation import generation_errors, is_settings
from workers.recipe.group import Group, Value
from workers.recipe.mappings import is_count
from workers.recipe.recipe import DTYPES, Recipe
from workers.recipe.source import Layers, Source, stack_of, stacked_fingerprint
from workers.recipe.tensors import (
    ALL_MODULES,
    MODULES,
    classes_of,
    depth_of,
    is_vocabulary,
    layer_of,
    module_of,
    with_layer,
)
from workers.recipe.tokenizer import UNION, TokenizerChoice, TokenRow

__all__ = [
    "ALL_MODULES",
    "DTYPES",
    "MODULES",
    "TEMPLATES",
    "UNION",
    "Group",
    "Layers",
    "Recipe",
    "Source",
    "TokenRow",
    "TokenizerChoice",
    "Value",
    "average",
    "classes_of",
    "depth_of",
    "generation_errors",
    "is_count",
    "is_settings",
    "is_template",
    "is_vocabulary",
    "layer_of",
    "module_of",
    "stack_of",
    "stacked_fingerprint",
    "template_errors",
    "with_layer",
]
