"""Trains the small models of the demo; knows nothing of merging and searching."""

from workers.demo.models import EXPERTS, STAMP, DemoPaths, DemoSettings, make_demo
from workers.demo.training import END, PAD, new_tokenizer, one_thread, packed, save, train

__all__ = [
    "END",
    "EXPERTS",
    "PAD",
    "STAMP",
    "DemoPaths",
    "DemoSettings",
    "make_demo",
    "new_tokenizer",
    "one_thread",
    "packed",
    "save",
    "train",
]
