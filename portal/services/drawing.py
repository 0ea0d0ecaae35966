"""Drawing a sample: the sealed manifest is read again and must be the one that was sealed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

from portal.errors import NotAllowed, SyncError
from portal.ledger import Ledger
from portal.models import SampleState
from portal.services import samples
from portal.services.manifests import open_sealed
from portal.services.sample_rule import draw, seats, survey
from portal.services.sample_wishes import checked_nonce, size_wanted
from portal.sync.archive.base import Archive


def draw_sample(
    ledger: Ledger,
    sample_id: int,
    archive: Archive,
    *,
    nonce: str,
    size: str,
    limit: str,
    by: str,
    now: datetime,
) -> None:
    """Draw by the auditor's nonce, and keep what was drawn.

    :param size: n, or empty with a ``limit`` in percent from which n is computed
    :raises NotAllowed: for what makes no sense, or when it is not sealed or was drawn before
    :raises SyncError: ``SAMPLE_MANIFEST`` when the manifest is gone or not the sealed one
    """
    nonce = checked_nonce(nonce)
    with ledger.read() as session:
        sample = samples.find(session, sample_id)
    if sample.state is SampleState.SEALED and not sample.documents:
        raise NotAllowed("清单中没有单据，无从抽样", "the manifest has no documents to draw from")
    samples.expect(sample, SampleState.SEALED)
    wanted, most_wrong = size_wanted(sample, size, limit)
    with open_sealed(archive, sample) as manifest:
        digest, strata = survey(manifest)
    if digest != sample.manifest_sha256:
        raise SyncError("SAMPLE_MANIFEST", detail=f"SHA-256 {digest}")
    with open_sealed(archive, sample) as manifest:
        chosen = draw(digest, nonce, _document_lines(manifest), seats(strata, wanted))
    with ledger.write() as session:
        samples.keep_drawn(session, sample_id, nonce, chosen, most_wrong=most_wrong, by=by, now=now)


def _document_lines(manifest: BinaryIO) -> Iterator[bytes]:
    next(manifest)  # the head
    for line in manifest:
        yield line.rstrip(b"\n")
