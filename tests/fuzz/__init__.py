"""Fuzzing of the media boundary, guided by coverage; `make fuzz`."""
