"""AWARE-NET: a deepfake detector that runs as a conditional cascade.

The core that every other room shares. It imports no training framework, no web framework and, outside
`awarenet.runtime`, no inference engine.
"""

__version__ = "0.1.0"
