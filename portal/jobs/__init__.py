"""The portal's xxl-job handlers, and what follows their runs."""

from portal.jobs.following import Following
from portal.jobs.recording import record_run
from portal.jobs.releasing import forget_run, release_batches

__all__ = ["Following", "forget_run", "record_run", "release_batches"]
