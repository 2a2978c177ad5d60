"""Safe reading of pictures and clips: kind by content, limits from the header, then decoding."""

from awarenet.media.clips import Clip, Frame
from awarenet.media.kinds import MEDIA_SUFFIXES, Format, sniff
from awarenet.media.limits import MediaLimits
from awarenet.media.pictures import Picture, read_picture

__all__ = ["MEDIA_SUFFIXES", "Clip", "Format", "Frame", "MediaLimits", "Picture", "read_picture", "sniff"]
