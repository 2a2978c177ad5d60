"""Lets timm import where torchvision's compiled operators do not load.

torchvision's wheel is built for CUDA; beside a CPU build of torch its library cannot be opened, and
`import torchvision` (hence `import timm`) fails because two operators that it merely registers shapes for do not exist.
Declaring their schemas is enough: nothing here calls them. Import this module before timm.
"""

from __future__ import annotations

import importlib

import torch

_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
# The library object must outlive this function: its operators vanish with it.
_LIBRARIES: list[torch.library.Library] = []


def ensure_torchvision() -> None:
    """Makes `import torchvision` work; does nothing where it already does."""
    try:
        importlib.import_module("torchvision")
    except (RuntimeError, OSError):
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                library.define(f"{name}{_SCHEMA}")  # type: ignore[no-untyped-call]
        _LIBRARIES.append(library)
        importlib.import_module("torchvision")


ensure_torchvision()
