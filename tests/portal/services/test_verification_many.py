"""A thousand faults among ten thousand files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from portal.services.verification import Order
from portal.sync.archive.local import LocalArchive
from tests.portal.ledger_scene import Scene
from tests.portal.services.archive_scene import Checking, archived_batch, flip_a_bit

DOCUMENTS = 2_000
FILES_EACH = 5


@pytest.mark.processes  # for its time: it writes and reads ten thousand files
@pytest.mark.timeout(600)
def test_every_planted_fault_is_found_and_none_is_invented(scene: Scene, tmp_path: Path) -> None:
    root = tmp_path / "archive"
    archive = LocalArchive(root)
    checking = Checking(scene, archive)
    archived_batch(scene, archive, DOCUMENTS, files=FILES_EACH)
    assert checking.run().files == DOCUMENTS * FILES_EACH

    keys = sorted(key for key, _ in archive.walk())
    chance = random.Random(20261122)
    chosen = chance.sample(keys, 700)
    planted = {}
    for key in chosen[:400]:
        flip_a_bit(root / key)
        planted[key] = "ARCHIVE_DAMAGED"
    for key in chosen[400:]:
        (root / key).unlink()
        planted[key] = "ARCHIVE_MISSING"
    for number in range(300):
        key = f"{chance.choice(keys).rpartition('/')[0]}/extra-{number}.pdf"
        (root / key).write_bytes(b"%PDF-")
        planted[key] = "ARCHIVE_EXTRA"

    whole = checking.run()
    assert {finding.storage_key: finding.code for finding in checking.found(whole)} == planted
    assert whole.findings == 1000
    assert whole.files == DOCUMENTS * FILES_EACH - 700

    together = {}
    for number in (1, 2, 3):
        for finding in checking.found(checking.run(Order(part=(number, 3)))):
            assert finding.storage_key not in together
            together[finding.storage_key] = finding.code
    assert together == planted
