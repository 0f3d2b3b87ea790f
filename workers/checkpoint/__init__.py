"""Models as files: read tensor by tensor, opened as a live model, written as a directory."""

from workers.checkpoint.fitting import fitted
from workers.checkpoint.headers import TensorInfo
from workers.checkpoint.live import load_model, load_tokenizer
from workers.checkpoint.reading import Checkpoint, look, open_checkpoint
from workers.checkpoint.writing import write_model

__all__ = [
    "Checkpoint",
    "TensorInfo",
    "fitted",
    "load_model",
    "load_tokenizer",
    "look",
    "open_checkpoint",
    "write_model",
]
