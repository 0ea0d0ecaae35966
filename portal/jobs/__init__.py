"""The portal's xxl-job handlers, and what follows their runs."""

from portal.jobs.following import Following, release_batches

__all__ = ["Following", "release_batches"]
