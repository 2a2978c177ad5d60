"""The meta-model, served for inspection."""

import os
import sys

# Triton's interpreter is isolated: it reads no PYTHONPATH by itself.
sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))

from awarenet.runtime.stage_model import TreesModel as TritonPythonModel  # noqa: E402

__all__ = ["TritonPythonModel"]
