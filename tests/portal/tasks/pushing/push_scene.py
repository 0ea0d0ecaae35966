"""An archive with documents in it, a double to push them to, and pushers."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from portal.demo.flagship import CREDENTIALS, create_demo_target
from portal.models import Batch, Document, DocumentVersion, File, Push, PushTarget
from portal.secret_box import SecretBox
from portal.services import push_targets
from portal.services.target_form import TargetForm
from portal.sync.archive.local import LocalArchive
from portal.tasks.pushing.pusher import Pusher
from tests.portal.demo_server import served
from tests.portal.ledger_scene import BY, Scene
from tests.portal.services.archive_scene import archived_batch
from tests.portal.sync.targets.flagship_scene import Double

BOX = SecretBox("a key of this test")


class PushScene:
    """Short words for what the tests of pushing do first or look at last."""

    def __init__(self, scene: Scene, folder: Path, url: str) -> None:
        self.scene = scene
        self.ledger = scene.ledger
        self.folder = folder
        self.archive = LocalArchive(folder / "archive")
        self.double = Double(url)
        self.url = url
        self.target_id = self.add_target()
        self._pushers: list[Pusher] = []

    def form(self, **changes: Any) -> TargetForm:
        settings: dict[str, Any] = {
            "name": "旗舰版",
            "base_url": self.url,
            "app_id": CREDENTIALS["appId"],
            "app_secret": CREDENTIALS["appSecret"],
            "account_id": CREDENTIALS["accountId"],
            "tenant_id": CREDENTIALS["tenantid"],
            "user": CREDENTIALS["user"],
            "user_type": CREDENTIALS["usertype"],
        }
        return TargetForm(**{**settings, **changes})

    def add_target(self, **changes: Any) -> int:
        with self.ledger.write() as session:
            form = self.form(**changes)
            return push_targets.save(session, form, box=BOX, by=BY, now=self.scene.now).id

    def change_target(self, **changes: Any) -> None:
        with self.ledger.write() as session:
            target = push_targets.get(session, self.target_id, lock=True)
            form = self.form(**changes)
            push_targets.save(session, form, box=BOX, by=BY, now=self.scene.now, target=target)

    def archived(self, count: int = 3, *, push: bool = True, **words: Any) -> int:
        """A batch of so many archived documents of two files each, to be pushed on."""
        batch_id = archived_batch(self.scene, self.archive, count, **words)
        if push:
            with self.ledger.write() as session:
                session.get_one(Batch, batch_id).push_target_id = self.target_id
        return batch_id

    def replace(self, image_no: str) -> None:
        """Another version of the document is in force, with other files."""
        with self.ledger.write() as session:
            document = session.scalars(select(Document).where(Document.image_no == image_no)).one()
            assert document.folder
            same = ("bill_no", "bill_type_code", "bill_type_name", "org_code", "org_name",
                    "applicant", "collected_at", "amount", "source_metadata", "listing_digest",
                    "folder", "archived_at", "archived_by_item_id")  # fmt: skip
            values = {name: getattr(document, name) for name in same}
            session.add(
                DocumentVersion(
                    document_id=document.id,
                    replaced_at=self.scene.now,
                    replaced_by_item_id=1,
                    reason="rewritten",
                    **values,
                )
            )
            document.fence += 1
            document.folder = f"{document.folder}~{document.fence}"
            stage = self.archive.stage(document.folder, owner="w1")
            for file in session.scalars(select(File).where(File.document_id == document.id)):
                data = f"newer {file.file_id}".encode()
                name = f"{file.seq:02d}.txt"
                stage.path(name).write_bytes(data)
                file.storage_key = f"{document.folder}/{name}"
                file.size, file.sha256 = len(data), hashlib.sha256(data).hexdigest()
            self.archive.publish([stage])

    def pusher(self, owner: str = "host.pusher0") -> Pusher:
        made = Pusher(
            self.ledger,
            self.archive,
            BOX,
            owner=owner,
            home=self.folder,
            clock=self.scene.clock,
            monotonic=lambda: self.scene.now.timestamp(),  # noqa: PLW0108 - it changes
        )
        self._pushers.append(made)
        return made

    def work(self, pusher: Pusher | None = None, *, seconds: float = 1.0) -> None:
        """Have a pusher do everything that is due now, and what becomes due within the seconds."""
        pusher = pusher or self.pusher()
        until = self.scene.now.timestamp() + seconds
        while True:
            taken = pusher.step()
            deadline = time.monotonic() + 60
            while not pusher.is_idle:
                assert time.monotonic() < deadline
                time.sleep(0.002)
            if not taken:
                if self.scene.now.timestamp() >= until:
                    return
                self.scene.advance(1)

    def close(self) -> None:
        for pusher in self._pushers:
            pusher.close()

    # What there is then.

    def pushes(self) -> dict[str, Push]:
        query = select(Document.image_no, Push).join(Push, Push.document_id == Document.id)
        with self.ledger.read() as session:
            return {row.image_no: row.Push for row in session.execute(query)}

    def statuses(self) -> Counter[str]:
        return Counter(push.status.value for push in self.pushes().values())

    def target(self) -> PushTarget:
        with self.ledger.read() as session:
            return push_targets.get(session, self.target_id)

    def at_double(self) -> dict[str, list[str]]:
        """The digests of each document's files at the double."""
        return {
            name.partition("/")[2]: [file["sha256"] for file in bill["files"]]
            for name, bill in self.double.bills().items()
        }

    def in_archive(self) -> dict[str, list[str]]:
        """The same as the ledger has them."""
        query = (
            select(Document.image_no, File.sha256)
            .join(File, File.document_id == Document.id)
            .where(Document.archived_at.is_not(None))
            .order_by(Document.id, File.seq)
        )
        found: dict[str, list[str]] = {}
        with self.ledger.read() as session:
            for row in session.execute(query):
                found.setdefault(row.image_no, []).append(row.sha256)
        return found


@contextmanager
def push_scene(scene: Scene, folder: Path) -> Iterator[PushScene]:
    """One with a double that is served while it lasts."""
    with served(create_demo_target()) as url:
        made = PushScene(scene, folder, url)
        try:
            yield made
        finally:
            made.close()
