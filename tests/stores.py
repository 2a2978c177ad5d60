"""What tests of the gateway's stores are made of: a clock to turn by hand, and media that notes what is deleted."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@dataclass
class NotedMedia:
    """The part of the vault that a job store needs; notes what it was told to delete."""

    deleted: list[str] = field(default_factory=list)
    broken: bool = False

    def delete(self, media_id: str) -> None:
        """Notes the id, or fails as a broken disk does."""
        if self.broken:
            raise OSError(5, "broken")
        self.deleted.append(media_id)
