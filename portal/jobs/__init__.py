"""The portal's xxl-job handlers, and what follows their runs."""

from portal.jobs.following import Following
from portal.jobs.recording import record_run
from portal.jobs.releasing import release_batches

__all__ = ["Following", "record_run", "release_batches"]
