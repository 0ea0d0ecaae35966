"""A scene whose documents really lie in an archive, and verifications of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from portal.models import Verification, VerificationFinding
from portal.services import verification
from portal.services.verification import Order
from portal.services.verifying import Verifier
from portal.sync.archive.local import LocalArchive
from portal.sync.transfer.work import Claim, Result
from tests.portal.fake_source import make_document
from tests.portal.ledger_scene import BY, SHANGHAI, Scene
from tests.portal.publishing import published


def published_all(archive: LocalArchive, *claims: Claim, text: str = "") -> list[Result]:
    """The claims' files in the archive, and the results that say so."""
    return [published(archive, claim, text=text) for claim in claims]


def archived_batch(scene: Scene, archive: LocalArchive, count: int = 3, **words: Any) -> int:
    """A batch of so many documents of two files, in the archive."""
    documents = [make_document(number, **{"files": 2, **words}) for number in range(count)]
    batch_id = scene.listed_batch(documents)
    scene.settle(batch_id, *published_all(archive, *scene.claim(batch_id, limit=count)))
    return batch_id


def path_of(scene: Scene, root: Path, image_no: str) -> Path:
    """Where the document's first file is."""
    key = scene.files(scene.document(image_no).id)[0].storage_key
    assert key is not None
    return root / key


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


class Checking:
    """Verifications in the scene; what one waits for happens at once."""

    def __init__(self, scene: Scene, archive: LocalArchive) -> None:
        self.scene = scene
        self.archive = archive
        self.waited = 0
        self.meanwhile: Callable[[], None] = lambda: None

    def start(self, order: Order | None = None) -> int:
        return verification.start(
            self.scene.ledger, order or Order(), by=BY, zone=SHANGHAI, now=self.scene.now
        )

    def perform(
        self, run_id: int, progress: Callable[[Verification], None] = lambda _: None
    ) -> Verification:
        return Verifier(
            self.scene.ledger,
            self.archive,
            run_id,
            zone=SHANGHAI,
            progress=progress,
            clock=self.scene.clock,
            wait=self._wait,
        ).run()

    def run(self, order: Order | None = None, **words: Any) -> Verification:
        return self.perform(self.start(order), **words)

    def found(self, run: Verification) -> list[VerificationFinding]:
        return list(verification.findings(self.scene.ledger, run.id))

    def codes(self, run: Verification) -> Sequence[tuple[str, str | None]]:
        return [(finding.code, finding.image_no) for finding in self.found(run)]

    def _wait(self, _seconds: float) -> None:
        self.waited += 1
        self.meanwhile()
