"""Defects of every class, planted on disk and in the ledger: all found, each in its class, no more.

``IMGMIG_TEST_PLANTED_FILES=100000`` plants a thousand among a hundred thousand files.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update

from portal.models import Document, File, Part, table_of
from portal.models.reconciliation import DEFECTS
from portal.sync.archive.local import LocalArchive
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import Scene
from tests.portal.services.archive_scene import flip_a_bit
from tests.portal.services.reconcile_scene import Proving

FILES = int(os.environ.get("IMGMIG_TEST_PLANTED_FILES", "1000"))
FILES_EACH = 5
DOCUMENTS = FILES // FILES_EACH
DEFECTS_PLANTED = min(1000, FILES // 10)
FIRST = datetime(2024, 1, 31, 15, 0, tzinfo=UTC)  # an hour before February in Shanghai
MONTHS = 3


class Planter:
    """Spoils documents one by one, each in one way; ``planted`` is what is to be found."""

    def __init__(self, scene: Scene, root: Path, chance: random.Random) -> None:
        self._scene = scene
        self._root = root
        self._chance = chance
        self.planted: Counter[tuple[Part, str]] = Counter()
        with scene.ledger.read() as session:
            self._documents = list(
                session.scalars(
                    select(Document)
                    .where(
                        Document.data_source_id == scene.source_id,
                        Document.archived_at.is_not(None),
                    )
                    .order_by(Document.id)
                )
            )
        chance.shuffle(self._documents)
        self._whole = self._documents[DEFECTS_PLANTED:]  # lend, and stay as they are

    def all(self) -> None:
        """Plant every defect, each way in turn."""
        for number, document in enumerate(self._documents[:DEFECTS_PLANTED]):
            plant = WAYS[number % len(WAYS)]
            with self._scene.ledger.write() as session:
                files = session.scalars(select(File).where(File.document_id == document.id)).all()
                file = self._chance.choice(files)
                session.expunge_all()
            part, name = plant(self, document, file)
            self.planted[part, name] += 1

    def path(self, file: File) -> Path:
        return self._root / str(file.storage_key)

    def other(self) -> tuple[Document, File]:
        """Another document and a file of it, which stay as they are."""
        document = self._chance.choice(self._whole)
        with self._scene.ledger.read() as session:
            files = session.scalars(select(File).where(File.document_id == document.id)).all()
        return document, self._chance.choice(files)

    def change(self, statement: object) -> None:
        with self._scene.ledger.write() as session:
            session.execute(statement)  # type: ignore[call-overload]

    # On disk.

    def missing(self, document: Document, file: File) -> tuple[Part, str]:
        self.path(file).unlink()
        return Part.MISSING, document.image_no

    def extra(self, document: Document, file: File) -> tuple[Part, str]:
        (self.path(file).parent / "stray.pdf").write_bytes(f"%PDF-{document.id}".encode())
        return Part.EXTRA, f"{document.folder}/stray.pdf"

    def twice(self, document: Document, file: File) -> tuple[Part, str]:
        shutil.copy(self.path(file), self.path(file).parent / "copy.txt")
        return Part.TWICE, f"{document.folder}/copy.txt"

    def size(self, document: Document, file: File) -> tuple[Part, str]:
        with self.path(file).open("ab") as stream:
            stream.write(b"\n")
        return Part.SIZE, document.image_no

    def digest(self, document: Document, file: File) -> tuple[Part, str]:
        flip_a_bit(self.path(file))
        return Part.DIGEST, document.image_no

    def wrong_document(self, document: Document, file: File) -> tuple[Part, str]:
        shutil.copy(self.path(self.other()[1]), self.path(file))
        return Part.WRONG_DOCUMENT, document.image_no

    def wrong_month(self, document: Document, file: File) -> tuple[Part, str]:
        source, month, name = str(document.folder).split("/")
        elsewhere = "2024-04" if month != "2024-04" else "2024-01"
        place = f"{source}/{elsewhere}/{name}/{self.path(file).name}"
        (self._root / place).parent.mkdir(parents=True)
        self.path(file).rename(self._root / place)
        return Part.WRONG_MONTH, place

    # In the ledger.

    def metadata(self, document: Document, _file: File) -> tuple[Part, str]:
        words = self._chance.choice(
            [
                {"amount": Decimal("0.01")},
                {"applicant": "别人"},
                {"bill_no": "FY-other"},
                {"org_code": "9009"},
                {"bill_type_code": "OTHER"},
                {"collected_at": document.collected_at + timedelta(milliseconds=1)}
                if document.collected_at and document.collected_at.second != 59
                else {"org_name": "别处"},
            ]
        )
        self.change(update(Document).where(Document.id == document.id).values(**words))
        return Part.METADATA, document.image_no

    def ledger_lacks(self, document: Document, file: File) -> tuple[Part, str]:
        self.change(delete(File).where(File.id == file.id))
        return Part.MISSING, document.image_no

    def ledger_has_more(self, document: Document, file: File) -> tuple[Part, str]:
        key = f"{document.folder}/99-ghost.txt"
        self.change(self._copy(file, document.id, file_id=f"ghost-{file.id}", storage_key=key))
        return Part.EXTRA, document.image_no

    def ledger_names_twice(self, document: Document, _file: File) -> tuple[Part, str]:
        self.change(self._copy(self.other()[1], document.id))
        return Part.TWICE, document.image_no

    def ledger_says_another_size(self, document: Document, file: File) -> tuple[Part, str]:
        self.change(update(File).where(File.id == file.id).values(size=7))
        return Part.SIZE, document.image_no

    def ledger_says_another_digest(self, document: Document, file: File) -> tuple[Part, str]:
        self.change(update(File).where(File.id == file.id).values(sha256="f" * 64))
        return Part.DIGEST, document.image_no

    def ledger_gives_away(self, _document: Document, file: File) -> tuple[Part, str]:
        receiver = self.other()[0]
        self.change(update(File).where(File.id == file.id).values(document_id=receiver.id))
        return Part.WRONG_DOCUMENT, receiver.image_no

    def ledger_says_another_month(self, document: Document, _file: File) -> tuple[Part, str]:
        assert document.collected_at is not None
        days = 60 if document.collected_at < datetime(2024, 3, 1, tzinfo=UTC) else -60
        moment = document.collected_at + timedelta(days=days)
        self.change(update(Document).where(Document.id == document.id).values(collected_at=moment))
        return Part.WRONG_MONTH, document.image_no

    def _copy(self, file: File, document_id: int, **changes: object) -> object:
        columns = [column.name for column in table_of(File).columns if column.name != "id"]
        values = {name: getattr(file, name) for name in columns}
        return insert(File).values(**values | {"document_id": document_id} | changes)


Way = Callable[[Planter, Document, File], tuple[Part, str]]
WAYS: list[Way] = [
    Planter.missing,
    Planter.extra,
    Planter.twice,
    Planter.size,
    Planter.digest,
    Planter.wrong_document,
    Planter.wrong_month,
    Planter.metadata,
    Planter.ledger_lacks,
    Planter.ledger_has_more,
    Planter.ledger_names_twice,
    Planter.ledger_says_another_size,
    Planter.ledger_says_another_digest,
    Planter.ledger_gives_away,
    Planter.ledger_says_another_month,
]


def moments() -> Iterator[datetime]:
    """From an hour before February on, over the leap day, with the edges of months among them."""
    yield datetime(2024, 1, 31, 15, 59, 59, 999000, tzinfo=UTC)
    yield datetime(2024, 1, 31, 16, 0, tzinfo=UTC)
    yield datetime(2024, 2, 29, 15, 59, 59, 999000, tzinfo=UTC)
    yield datetime(2024, 2, 29, 16, 0, tzinfo=UTC)
    step = timedelta(days=60) / DOCUMENTS
    for number in range(DOCUMENTS - 4):
        yield FIRST + number * step


@pytest.mark.timeout(3600)
def test_every_planted_defect_is_found_in_its_class_and_none_is_invented(
    scene: Scene, tmp_path: Path
) -> None:
    root = tmp_path / "archive"
    proving = Proving(scene, LocalArchive(root))
    proving.source.page_size = 500
    proving.migrate(
        [
            make_document(number, files=FILES_EACH, amount=Decimal(number), collected_at=moment)
            for number, moment in enumerate(moments())
        ],
        "2024-01-01",
        "2024-04-30",
    )
    clean = proving.reconcile("2024-01", "2024-04", reread=True)
    assert (clean.defects, clean.unbalanced) == (0, 0)
    assert sum(row.reread_files or 0 for row in proving.months(clean).values()) == FILES

    planter = Planter(scene, root, random.Random(20261122))
    planter.all()
    run = proving.reconcile("2024-01", "2024-04", reread=True)
    found = Counter(
        (each.part, name)
        for each in proving.found(run)
        if each.part in DEFECTS
        for name in [_name(each.part, each.place, each.image_no, planter)]
    )
    assert found == planter.planted
    assert run.defects == DEFECTS_PLANTED == planter.planted.total()


def _name(part: Part, place: str | None, image_no: str, planter: Planter) -> str:
    """By its place where no document of the ledger is to blame, else by the document."""
    return place if place is not None and (part, place) in planter.planted else image_no
