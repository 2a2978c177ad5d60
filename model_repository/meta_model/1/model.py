"""The meta-model, served for inspection."""

from awarenet.runtime.stage_model import TreesModel as TritonPythonModel

__all__ = ["TritonPythonModel"]
