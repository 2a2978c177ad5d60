"""Clips: reading them by presentation time, and following the people in them."""

from awarenet.video.clips import Clip, Frame

__all__ = ["Clip", "Frame"]
