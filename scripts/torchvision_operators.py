"""Lets torchvision be imported without its compiled operators; copied by scripts/setup --vllm.

PyPI's torchvision for Linux is built for CUDA, so its library does not load beside a torch for
CPUs, and the import ends at operators that nobody has declared. vLLM imports torchvision for
multi-part models, and uses only the part of it that is written in Python.
"""

import importlib.abc
import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

NAMES = ("nms", "qnms")
SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: list[Any] = []  # an operator lives as long as its library


class Finder(importlib.abc.MetaPathFinder):
    """Declares the operators just before torchvision is imported."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Leaves the search itself to the other finders."""
        if fullname == "torchvision":
            sys.meta_path.remove(self)
            found = PathFinder.find_spec(fullname, path, target)
            if found and found.origin and not _loads(Path(found.origin).with_name("_C.so")):
                _declare()
        return None


def _loads(library: Path) -> bool:
    import torch  # noqa: PLC0415 - only where torchvision is imported

    try:
        torch.ops.load_library(library)
    except OSError:
        return False
    return True


def _declare() -> None:
    import torch  # noqa: PLC0415 - as above

    library = torch.library.Library("torchvision", "DEF")
    for name in NAMES:
        library.define(name + SIGNATURE)
    _declared.append(library)


sys.meta_path.insert(0, Finder())
