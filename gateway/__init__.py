"""The service that people talk to, beside Triton: media, jobs, identity, audit, health."""
