"""What is held about a subject: all of it given out, or all of it deleted."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from awarenet.errors import NotFound
from gateway.audit import AuditLog
from gateway.database import Database
from gateway.identity import ApiKeys, DailyQuotas, Pseudonyms
from gateway.jobs import Job, JobStore
from gateway.vault import Vault

_PAGE: Final = 200


@dataclass(frozen=True)
class Erased:
    """What `Subjects.erase` deleted.

    Attributes:
        jobs: How many jobs, each with its media.
        keys: How many API keys.
    """

    jobs: int
    keys: int


class Subjects:
    """Export and erasure over every store of the gateway.

    Args:
        database: The database of the stores.
        jobs: Jobs and their results.
        vault: Media of jobs.
        keys: API keys.
        quotas: Counts of use.
        pseudonyms: Names in the audit log.
        audit: The audit log.
    """

    def __init__(
        self,
        database: Database,
        jobs: JobStore,
        vault: Vault,
        keys: ApiKeys,
        quotas: DailyQuotas,
        pseudonyms: Pseudonyms,
        audit: AuditLog,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._vault = vault
        self._keys = keys
        self._quotas = quotas
        self._pseudonyms = pseudonyms
        self._audit = audit

    def export(self, subject: str, target: BinaryIO) -> None:
        """Writes a ZIP archive of all that is held about a subject, in memory that does not grow with the media.

        It holds `subject.json` (jobs with requests and results, API keys without their secrets, counts of use, lines of
        the audit log) and the media of jobs as `media/<job id>`, decrypted.

        Args:
            subject: Whose data.
            target: Where it is written; need not be seekable.

        Raises:
            TamperedData: A medium or the audit log was altered.
            Unavailable: A store cannot be read.
        """
        pseudonym = self._pseudonyms.known(subject)
        jobs: list[dict[str, Any]] = []
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for job in list(self._every_job(subject)):
                jobs.append(dataclasses.asdict(job))
                if job.media_id is not None:
                    self._add_media(archive, job.id, job.media_id)
            held = {
                "subject": subject,
                "jobs": jobs,
                "api_keys": [_key(key) for key in self._keys.find(subject)],
                "use_by_day": self._quotas.used(subject),
                "audit_pseudonym": pseudonym,
                "audit": [] if pseudonym is None else list(self._audit.lines_of(pseudonym)),
            }
            archive.writestr("subject.json", json.dumps(held, ensure_ascii=False, indent=1))

    def erase(self, subject: str) -> Erased:
        """Deletes all that is held about a subject; doing it again is no error, and finishes what broke off.

        API keys go first, so that nothing new comes in under them; running jobs are stopped. The lines in the audit log
        stay, and nobody can tell any more whose they were.

        Raises:
            Unavailable: A store cannot be written; erase again.
        """
        keys = self._keys.erase(subject)
        jobs = 0
        for job in list(self._every_job(subject)):
            try:
                self._jobs.delete(job.id)
            except NotFound:
                continue
            jobs += 1
        self._quotas.erase(subject)
        self._pseudonyms.erase(subject)
        self._database.scrub()
        return Erased(jobs, keys)

    def _every_job(self, subject: str) -> Iterator[Job]:
        before = None
        while page := self._jobs.find(subject, limit=_PAGE, before=before):
            yield from page
            before = page[-1].id

    def _add_media(self, archive: zipfile.ZipFile, job_id: str, media_id: str) -> None:
        try:
            stream = self._vault.open(media_id)
        except NotFound:
            return  # deleted since the job was read
        with stream, archive.open(f"media/{job_id}", "w", force_zip64=True) as entry:
            while part := stream.read(1 << 16):
                entry.write(part)


def _key(key: Any) -> dict[str, Any]:
    return dataclasses.asdict(key) | {"roles": sorted(role.value for role in key.roles)}
