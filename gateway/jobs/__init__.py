"""Work that outlives a request: a queue with leases in the gateway's database, its media in the vault."""

from gateway.jobs.job import Job, JobState, Lease, NewJob, Waiting
from gateway.jobs.kinds import CLIP, WEBHOOK, follow
from gateway.jobs.store import Follow, JobLimits, JobStore

__all__ = [
    "CLIP",
    "WEBHOOK",
    "Follow",
    "Job",
    "JobLimits",
    "JobState",
    "JobStore",
    "Lease",
    "NewJob",
    "Waiting",
    "follow",
]
