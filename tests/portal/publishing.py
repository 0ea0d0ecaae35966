"""What a worker does with a claim before it records it, without a source."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from portal.sync.archive.local import LocalArchive
from portal.sync.transfer.work import Claim, Result
from tests.portal.ledger_scene import stored


def published(archive: LocalArchive, claim: Claim, *, owner: str = "w1", text: str = "") -> Result:
    """The claim's files in the archive, and the result that says so."""
    stage = archive.stage(claim.folder, owner=owner)
    result = stored(claim)
    files = []
    for file in result.files:
        data = f"{file.storage_key}{text}\n".encode() * 50
        stage.path(file.storage_key.rpartition("/")[2]).write_bytes(data)
        files.append(replace(file, size=len(data), sha256=hashlib.sha256(data).hexdigest()))
    archive.publish([stage])
    return Result(claim, files=tuple(files))
