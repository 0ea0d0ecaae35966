"""A ledger with a row for every kind of export, all of whose free texts begin with one word."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import String, cast, update

from portal.models import (
    Batch,
    BatchItem,
    DataSource,
    Document,
    File,
    ReconciliationCell,
    ReconciliationFinding,
    Sample,
    SampleDocument,
    Verdict,
)
from portal.services import audit
from portal.sync.archive.local import LocalArchive
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene, failed
from tests.portal.publishing import published
from tests.portal.services.reconcile_scene import Proving
from tests.portal.services.sample_scene import Sampling

#: What the query of a download address may hold, which is for nobody but the source.
TICKET = "ticket-of-a-download-address"
_DOCUMENT = (
    *("source", "image_no", "bill_no", "resource", "bill_type_code", "bill_type_name"),
    *("org_code", "org_name", "applicant"),
)
#: Which columns a source, a user or a file's name fills, by kind of export.
FILLED: Mapping[str, frozenset[str]] = {
    kind: frozenset(names)
    for kind, names in {
        "batches": (
            *("source", "org_codes", "bill_type_codes"),
            *("created_by", "paused_by", "cancelled_by"),
        ),
        "months": ("source",),
        "documents": _DOCUMENT,
        "files": (*_DOCUMENT, "file_id", "name"),
        "failures": (*_DOCUMENT, "failed_file_id"),
        "audit": ("actor", "origin", "old", "new", "reason"),
        "reconciliation": ("org_code", "org_name", "bill_type_code", "bill_type_name"),
        "reconciliation-findings": (
            *("org_code", "bill_type_code", "resource", "image_no", "file_id", "place", "what"),
        ),
        "samples": (
            *("source", "org_code", "bill_type_code", "asked_by"),
            *("nonce", "drawn_by", "closed_by"),
        ),
        "sample-documents": (
            *("resource", "image_no", "bill_type_code", "remark", "judged_by", "line"),
        ),
    }.items()
}


class HostileLedger:
    """Built once; then each word in turn is written over all texts."""

    def __init__(self, scene: Scene, home: Path) -> None:
        self.scene = scene
        archive = LocalArchive(home / "archive")
        proving, sampling = Proving(scene, archive), Sampling(scene, home)
        listed = [make_document(number, amount="-12.50") for number in range(2)]
        self.batch_id = scene.listed_batch(listed)
        good, bad = scene.claim(self.batch_id)
        scene.settle(self.batch_id, published(archive, good), failed(bad, "FILE_CORRUPT"))
        self.run_id = proving.reconcile().id
        self.sample_id = sampling.drawn(size="1")
        sampling.judge(self.sample_id, 1, Verdict.DIFFER, "备注")
        sampling.close(self.sample_id)

    @property
    def filters(self) -> dict[str, list[str]]:
        """What the kinds that want one thing are asked for."""
        return {"run": [str(self.run_id)], "sample": [str(self.sample_id)]}

    def say(self, word: str) -> None:
        """Have every text of the ledger begin with the word."""
        texts: dict[Any, dict[str, Any]] = {
            DataSource: {"name": word},
            Batch: {
                **dict.fromkeys(("created_by", "paused_by", "cancelled_by"), word),
                **{name: [word] for name in ("org_codes", "bill_type_codes")},
            },
            Document: {
                **dict.fromkeys(_DOCUMENT[2:], word),
                "image_no": word + cast(Document.id, String(20)),
                "source_metadata": {word: word},
            },
            File: {
                "name": word,
                "file_id": word + cast(File.id, String(20)),
                "download_url": f"https://files.example/f?ticket={TICKET}",
            },
            BatchItem: {"failed_file_id": word, "error_params": {"detail": word}},
            ReconciliationCell: dict.fromkeys(FILLED["reconciliation"], word),
            ReconciliationFinding: {
                **dict.fromkeys(FILLED["reconciliation-findings"] - {"what"}, word),
                "part": "metadata",
                "params": {"name": word},
            },
            Sample: dict.fromkeys(FILLED["samples"] - {"source"}, word),
            SampleDocument: dict.fromkeys(FILLED["sample-documents"], word),
        }
        with self.scene.ledger.write() as session:
            session.info["origin"] = word
            for model, values in texts.items():
                session.execute(update(model).values(values))
            audit.record(
                session,
                "batch.pause",
                by=word,
                at=self.scene.now,
                batch_id=self.batch_id,
                **dict.fromkeys(("old", "new", "reason"), word),
                detail={word: word},
            )
