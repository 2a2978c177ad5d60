"""The genconvit stage on the embedded target."""

from awarenet.runtime.stage_model import NetworkModel as TritonPythonModel

__all__ = ["TritonPythonModel"]
