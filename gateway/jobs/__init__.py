"""Work that outlives a request: a queue with leases in the gateway's database, its media in the vault."""

from gateway.jobs.job import Job, JobState, Lease, NewJob
from gateway.jobs.store import JobLimits, JobStore

__all__ = ["Job", "JobLimits", "JobState", "JobStore", "Lease", "NewJob"]
