"""Describes one merged model completely; does not know how it is computed."""

from workers.recipe.group import Group, Value
from workers.recipe.recipe import DTYPES, Recipe
from workers.recipe.source import Layers, Source
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

__all__ = [
    "ALL_MODULES",
    "DTYPES",
    "MODULES",
    "Group",
    "Layers",
    "Recipe",
    "Source",
    "Value",
    "classes_of",
    "depth_of",
    "is_vocabulary",
    "layer_of",
    "module_of",
    "with_layer",
]
