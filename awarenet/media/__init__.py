"""Safe reading of media: kind by content, limits from the header, decoding of pictures."""

from awarenet.media.kinds import MEDIA_SUFFIXES, Format, sniff
from awarenet.media.limits import MediaLimits
from awarenet.media.pictures import Picture, read_picture

__all__ = ["MEDIA_SUFFIXES", "Format", "MediaLimits", "Picture", "read_picture", "sniff"]
