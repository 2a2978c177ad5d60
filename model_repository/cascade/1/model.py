"""The cascade inside Triton, by business logic scripting."""

from awarenet.runtime.cascade_model import CascadeModel as TritonPythonModel

__all__ = ["TritonPythonModel"]
