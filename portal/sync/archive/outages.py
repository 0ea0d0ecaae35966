"""Failures of the archive as a whole, which no document is to blame for."""

from __future__ import annotations

#: Codes that say it by themselves; of any other the archive is asked.
OUTAGES = frozenset(
    {
        "ARCHIVE_FULL",
        "ARCHIVE_SCRATCH_FULL",
        "ARCHIVE_UNREACHABLE",
        "ARCHIVE_BUSY",
        "ARCHIVE_CREDENTIALS",
        "ARCHIVE_DENIED",
        "ARCHIVE_CLOCK",
        "ARCHIVE_NO_BUCKET",
    }
)
#: Codes that concern one document of a group; the others may be published without it. A local
#: folder has none: after a flush that failed another one proves nothing.
OF_ONE = frozenset({"ARCHIVE_TAKEN", "ARCHIVE_REFUSED", "ARCHIVE_UNPROVED"})
