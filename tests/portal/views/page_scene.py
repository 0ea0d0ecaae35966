"""What there is to see on the pages: batches in every state, archived files, job runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from flask import Flask
from sqlalchemy import select, update

from executor.statuses import RunStatus as JobStatus
from portal.errors import SyncError
from portal.models import (
    Batch,
    BatchItem,
    Document,
    File,
    Overlap,
    Push,
    PushTarget,
    Role,
    User,
    utc_now,
)
from portal.notify.kinds import NEWS, ChannelKind
from portal.runtime import Portal
from portal.services import (
    batch_lists,
    batches,
    chores,
    notice_channels,
    notices,
    preflights,
    push_checking,
    push_targets,
    sources,
)
from portal.services.notice_channels import ChannelForm
from portal.services.source_check import Finding
from portal.services.target_form import TargetForm
from portal.statuses import ChoreStatus, PushStatus
from portal.sync.sources.rows import SourceFile
from portal.sync.transfer.work import Claim, Result, StoredFile
from tests.portal.fake_source import make_document, make_file
from tests.portal.ledger_scene import Scene, failed, stored

PASSWORDS = {role: f"{role.value}-has-this-password" for role in Role}
TOKEN = "a-token-for-tests"


@dataclass(frozen=True)
class Content:
    """A file as it lies in the archive."""

    name: str
    body: bytes
    kind: str
    category: str = "invoice"
    pages: int | None = None


class PageScene:
    """Short words for the states that pages show, by the numbers that stand in their addresses."""

    def __init__(self, scene: Scene, portal: Portal, home: Path) -> None:
        self.ledger_scene = scene
        self.portal = portal
        self.home = home
        scene.now = utc_now()  # pages go by the real clock

    # Batches.

    def waiting(self) -> str:
        return self._number(self.ledger_scene.add_batch(start=False))

    def running(self, documents: int = 3) -> str:
        """Listed, with its last document still to be done."""
        scene = self.ledger_scene
        batch_id = scene.listed_batch(
            [make_document(n) for n in range(documents)], Overlap.MISSING_AND_FAILED
        )
        scene.settle(batch_id, *map(stored, scene.claim(batch_id)[:-1]))
        return self._number(batch_id)

    def paused(self) -> str:
        batch_id = self.ledger_scene.add_batch()
        self.ledger_scene.do(batches.pause, batch_id)
        return self._number(batch_id)

    def cancelled(self) -> str:
        batch_id = self.ledger_scene.add_batch()
        self.ledger_scene.do(batches.cancel, batch_id)
        return self._number(batch_id)

    def ended(self, *codes: str, synced: int = 1) -> str:
        """Ended, with one failed document for each code."""
        scene = self.ledger_scene
        documents = [make_document(n) for n in range(synced + len(codes))]
        batch_id = scene.listed_batch(documents, Overlap.MISSING_AND_FAILED)
        claims = scene.claim(batch_id)
        broken = [failed(claim, code) for claim, code in zip(claims, codes, strict=False)]
        scene.settle(batch_id, *broken, *map(stored, claims[len(codes) :]))
        return self._number(batch_id)

    def long(self, documents: int) -> str:
        """A running batch with so many documents, none of them begun."""
        listed = [make_document(n) for n in range(documents)]
        return self._number(self.ledger_scene.listed_batch(listed))

    def batch(self, batch_no: str) -> Batch:
        with self.portal.ledger.read() as session:
            return session.scalars(select(Batch).where(Batch.batch_no == batch_no)).one()

    def numbers(self) -> list[str]:
        """Of the batches on the list."""
        with self.portal.ledger.read() as session:
            return [batch.batch_no for batch in batch_lists.newest(session, limit=500)]

    def _number(self, batch_id: int) -> str:
        return self.ledger_scene.batch(batch_id).batch_no

    def user_id(self, name: str) -> int:
        with self.portal.ledger.read() as session:
            return session.scalars(select(User.id).where(User.name == name)).one()

    # Archived documents.

    def archived(self, *contents: Content, image_no: str = "FYBX90001") -> Document:
        """A document whose files lie in the archive, in a batch that has ended."""
        files = _declared(contents)
        scene = self.ledger_scene
        batch_id = scene.listed_batch([replace(make_document(0, image_no=image_no), files=files)])
        (claim,) = scene.claim(batch_id)
        scene.settle(batch_id, self._brought(claim, contents))
        return scene.document(image_no)

    def replaced(self, document: Document, *contents: Content) -> Document:
        """The same document after the source described it anew, in a batch of overlap ``all``."""
        scene = self.ledger_scene
        row = make_document(0, image_no=document.image_no, bill_no="FY-NEW")
        anew = replace(row, files=_declared(contents))
        batch_id = scene.listed_batch([anew], Overlap.ALL)
        (claim,) = scene.claim(batch_id)
        scene.settle(batch_id, self._brought(claim, contents))
        return scene.document(document.image_no)

    def file(self, document: Document, position: int = 0) -> File:
        return self.ledger_scene.files(document.id)[position]

    def path(self, file: File) -> Path:
        return self.home / "archive" / str(file.storage_key)

    def _brought(self, claim: Claim, contents: Sequence[Content]) -> Result:
        by_id = {f"f-9-{n}": content for n, content in enumerate(contents, start=1)}
        kept = tuple(
            self._keep(f"{claim.folder}/{file.seq:02d}", file.file_id, by_id[file.file_id])
            for file in claim.files
        )
        return Result(claim, files=kept)

    def _keep(self, key: str, file_id: str, content: Content) -> StoredFile:
        path = self.home / "archive" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.body)
        return StoredFile(
            file_id=file_id,
            storage_key=key,
            size=len(content.body),
            sha256=hashlib.sha256(content.body).hexdigest(),
            kind=content.kind,
            pages=content.pages,
            width=None,
            height=None,
            dpi=None,
        )

    # People.

    def disable(self, name: str) -> None:
        with self.portal.ledger.write() as session:
            session.execute(update(User).where(User.name == name).values(enabled=False))

    # Notifications.

    def target(self) -> int:
        """A target that nothing was pushed to."""
        form = TargetForm("目标", "http://127.0.0.1:9", "a", "a-secret-of-it", "1", "u")
        with self.portal.ledger.write() as session:
            box = self.portal.box
            return push_targets.save(session, form, box=box, by="admin", now=utc_now()).id

    def pushed(self) -> tuple[int, str]:
        """A held target, and a batch with a document of each status there."""
        target_id, number, now = self.target(), self.ended(synced=4), utc_now()
        batch = self.batch(number)
        query = select(BatchItem.document_id).where(BatchItem.batch_id == batch.id)
        with self.portal.ledger.write() as session:
            session.get_one(Batch, batch.id).push_target_id = target_id
            target = session.get_one(PushTarget, target_id)
            target.hold_code, target.hold_params = "TGT_CONNECTION", {"detail": "refused"}
            target.held_since = target.probe_at = now
            for document_id, status in zip(session.scalars(query), PushStatus, strict=True):
                push = Push(target_id=target_id, document_id=document_id, batch_id=batch.id)
                push.status, push.next_try_at, push.created_at = status, now, now
                if status is PushStatus.FAILED:
                    push.error_code, push.error_params = "TGT_NO_BILL_ID", {"field": "x"}
                session.add(push)
            for subject in (push_checking.subject_of(target_id), f"push:{batch.id}"):
                chore = chores.ask(
                    session, push_checking.CHORE, by="admin", now=now, subject=subject
                )
                found = push_checking.PushCheck(looked_at=2, waiting=1)
                found.missing.append({"image_no": "A1", "resource": "EAS"})
                found.different.append({"image_no": "A2", "resource": "EAS", "type": "X"})
                chore.status, chore.result = ChoreStatus.DONE, found.as_json()
        return target_id, number

    def notice_channel(self) -> int:
        """A channel that was told something; its id."""
        form = ChannelForm(
            name="财务群",
            kind=ChannelKind.WECOM,
            language="zh",
            events=NEWS,
            portal_url="",
            config={"url": "https://robot.example/?key=x"},
        )
        with self.portal.ledger.write() as session:
            channel = notice_channels.save(
                session, form, box=self.portal.box, by="admin", now=utc_now()
            )
            error = SyncError("NOTICE_REFUSED", detail="HTTP 500")
            notice = notice_channels.test(session, channel, by="admin", now=utc_now())
            notices.refused(session, notice, error, now=utc_now())
            return channel.id

    # Prerequisites.

    def preflight(self, found: Finding, *, host: str = "alpha") -> int:
        """A check in which the host found this, and nothing else is wrong; its id."""
        well = Finding("database", "ok", "已写入", "written", seconds=0.1)
        now = utc_now()
        with self.portal.ledger.write() as session:
            source = sources.get(session, self.ledger_scene.source_id)
            days = (date(2024, 1, 1), date(2024, 1, 31))
            number = preflights.begin(session, source, days=days, hosts=[host], by="li", now=now).id
            for place, one in (("", well), (host, found)):
                preflights.record(session, number, place, [one], by="li", now=now)
        return number

    # Job runs.

    def job_run(self, app: Flask, log_id: int, *, params: str = "") -> int:
        """A run of DataSyncTask, still queued; its id."""
        body = {
            "jobId": log_id,
            "executorHandler": "DataSyncTask",
            "executorParams": params,
            "executorBlockStrategy": "SERIAL_EXECUTION",
            "executorTimeout": 0,
            "logId": log_id,
            "logDateTime": 1_700_000_000_000,
            "glueType": "BEAN",
            "broadcastIndex": 0,
            "broadcastTotal": 1,
        }
        headers = {"XXL-JOB-ACCESS-TOKEN": TOKEN, "Content-Type": "application/json"}
        answer = app.test_client().post("/xxl-job/run", data=json.dumps(body), headers=headers)
        assert answer.get_json()["code"] == 200, answer.text
        run = self.portal.executor.newest_runs(limit=1)[0]
        assert (run.log_id, run.status) == (log_id, JobStatus.QUEUED)
        return run.run_id

    def perform(self, app: Flask, run_id: int) -> None:
        """Be the worker."""
        with app.app_context():
            self.portal.executor.perform(run_id, worker="w1")


def _declared(contents: Sequence[Content]) -> tuple[SourceFile, ...]:
    return tuple(
        make_file(9, n, name=content.name, category=content.category)
        for n, content in enumerate(contents, start=1)
    )
