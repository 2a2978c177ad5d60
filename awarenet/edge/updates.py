"""New models on a device that nobody stands beside: they are on trial until the process that runs them says it is well.

Two versions lie beside each other, and a link names the one in use (`awarenet.models.versions`). Before the link is
switched, a note says what to go back to; the note is removed when the new models have proved themselves. A power cut
leaves the old version, or the new one with the note; then the next starts prove it or go back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import structlog

from awarenet.edge.pulse import end_running
from awarenet.edge.self_test import known_answer
from awarenet.errors import AwareNetError, Conflict, NotFound
from awarenet.models.versions import Versions, sync
from awarenet.repository import ModelRepository
from awarenet.signing import TrustedKeys

_POLL_S: Final = 0.2

STARTS: Final = 3
"""How often models on trial are started before they are given up."""

_log = structlog.get_logger("edge")


@dataclass(frozen=True)
class Trial:
    """New models that have not proved themselves.

    Attributes:
        before: The version to go back to.
        starts: How often they were started.
    """

    before: str
    starts: int = 0


class Updates:
    """The models of a device: bringing new ones, proving them, going back.

    Args:
        destination: The link to the version in use, as `awarenet models fetch` makes it. Anything else can be no
            subject of a trial, and is left alone.
    """

    def __init__(self, destination: Path) -> None:
        self._destination = destination
        self._note = destination.with_name(f".{destination.name}.trial")
        self._versions = Versions(destination)

    @property
    def trial(self) -> Trial | None:
        """The trial that is on; None where there is none."""
        try:
            trial = Trial(**json.loads(self._note.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:  # It was being written when the power failed: nothing was switched.
            _log.warning("a note of an update is damaged and is ignored", path=str(self._note), reason=str(error))
            return None
        return None if trial.before == self._versions.current else trial

    def update(
        self, source: str, examine: Callable[[Path], object] = known_answer, trusted: TrustedKeys | None = None
    ) -> ModelRepository:
        """Brings new models; where others were in use, the new ones are on trial afterwards.

        Args:
            source: See `awarenet.models.sources.open_source`.
            examine: Asked before the switch, with their folder: whether they run here.
            trusted: Keys of those who may sign them; None asks for no signature.

        Raises:
            Conflict: Others are on trial.
            AwareNetError: See `awarenet.models.fetch.fetch`, or what `examine` raises; the models in use stay.
        """
        from awarenet.models.fetch import fetch  # Its libraries are not needed to run.

        if self.trial is not None:
            raise Conflict(
                f"{self._destination}: an update is on trial; wait until it has proved itself, or go back with "
                "`awarenet edge rollback`"
            )

        def accept(folder: Path) -> None:
            examine(folder)
            if (before := self._versions.current) is not None:
                self._write(Trial(before))

        return fetch(source, self._destination, accept=accept, trusted=trusted)

    def start(self) -> None:
        """To be called before models are loaded: counts the starts of a trial, and ends one that does not come to life.

        Raises:
            ReportError: The folder of the models cannot be written.
        """
        trial = self.trial
        if trial is None:
            self._note.unlink(missing_ok=True)  # A trial that was never begun, or was ended by hand.
        elif trial.starts >= STARTS:
            _log.error("the new models did not come to life", starts=trial.starts)
            self.rollback()
        else:
            self._write(replace(trial, starts=trial.starts + 1))

    def confirm(self) -> None:
        """To be called once all is well: the models in use stay."""
        if self.trial is not None:
            self._note.unlink(missing_ok=True)
            sync(self._note.parent)
            _log.info("the new models have proved themselves", version=self._versions.current)

    def rollback(self) -> ModelRepository:
        """Goes back to the models before, and ends the trial.

        Raises:
            NotFound: There are none, or they are damaged.
            ReportError: The folder of the models cannot be written.
        """
        trial = self.trial
        with self._versions.locked():
            before = trial.before if trial and self._versions.is_intact(trial.before) else self._versions.other()
            if before is None:
                raise NotFound(f"{self._destination}: there are no other models to go back to; update them")
            self._versions.use(before)
            self._note.unlink(missing_ok=True)
        _log.warning("back at the models before", version=before)
        return ModelRepository.open(self._destination)

    def _write(self, trial: Trial) -> None:
        fresh = self._note.with_name(f"{self._note.name}.new")
        fresh.write_text(json.dumps(asdict(trial)), encoding="utf-8")
        sync(fresh)
        fresh.replace(self._note)
        sync(self._note.parent)


def survive(step: Callable[[], None]) -> None:
    """Runs `Updates.start` or `Updates.confirm`; what is wrong with a note must not keep a device from its work."""
    try:
        step()
    except (AwareNetError, OSError) as error:
        _log.error("the trial of an update cannot be kept", reason=str(error))


def prove(updates: Updates, pulses: Path, patience_s: float) -> bool:
    """Ends the running process, which whoever minds it starts anew, and waits until the new models are proved.

    Args:
        updates: With a trial that is on.
        pulses: Where the process writes its pulse.
        patience_s: Seconds after which the models before are brought back, and the process is ended again.

    Returns:
        Whether the new models stay.
    """
    deadline = time.monotonic() + patience_s
    end_running(pulses)
    while updates.trial is not None:
        if time.monotonic() > deadline:
            updates.rollback()
            end_running(pulses)
            return False
        time.sleep(_POLL_S)
    return True
