"""Real workers are stopped past their real leases, and woken when others have done their work."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from portal.models import BatchItem, Document
from tests.chaos import aftermath
from tests.chaos.plan import Plan
from tests.chaos.scene import Scene, opened_scene, plan_in
from tests.functional.backends import Kinds
from tests.functional.installation import wait_for

DOCUMENTS = 160
FROZEN = 3
TENANT = (f"--documents={DOCUMENTS}", "--months=1", "--mean-size=40000")


def freeze(folder: Path, kinds: Kinds) -> tuple[dict[str, Any], list[str]]:
    """Freeze all workers but one in mid-transfer; figures, and what is not as it must be."""
    Plan.made(plan_in(folder), [])  # nobody dies
    with opened_scene(folder, kinds, *TENANT) as scene:
        return _freeze(scene)


def _freeze(scene: Scene) -> tuple[dict[str, Any], list[str]]:
    scene.set_latency(0.5)
    scene.start_month(0)
    frozen = wait_for("workers in mid-transfer", lambda: _stopped(scene), 60)
    held = scene.query(
        "SELECT i.document_id, d.fence FROM batch_items i JOIN documents d ON d.id=i.document_id"
        f" WHERE i.lease_owner IN ({','.join(repr(name) for name in frozen)})"
    )
    files = scene.query(
        "SELECT count(*) FROM files WHERE document_id IN"
        f" ({','.join(str(document) for document, _ in held)})"
    )[0][0]
    scene.set_latency(0.0)
    wait_for("the others have finished", lambda: _has_ended(scene), 90)
    overtaken = _overtaken(scene, held)
    before = scene.query("SELECT sum(synced), sum(stored_files) FROM batches")
    for pid in frozen.values():
        os.kill(pid, signal.SIGCONT)
    wait_for("the woken workers have let go", lambda: not _stages(scene, frozen), 30)
    aftermath.wait_until_swept(scene)
    kills = [{"point": "frozen", "held_files": files}]
    found = aftermath.findings(scene, kills)
    if overtaken != len(held):
        found.append(f"{overtaken} of {len(held)} documents were finished by another")
    if scene.query("SELECT sum(synced), sum(stored_files) FROM batches") != before:
        found.append("a woken worker changed the counts")
    return {
        "workers_frozen": len(frozen),
        "documents_held_frozen": len(held),
        "finished_by_another": overtaken,
    }, found


def _stopped(scene: Scene) -> dict[str, int] | None:
    """Stop workers that hold documents, none of them inside a transaction; their process ids."""
    rows: Sequence[Any] = scene.query(
        "SELECT w.name, w.pid FROM workers w WHERE 3 <= (SELECT count(*) FROM batch_items i"
        " WHERE i.lease_owner=w.name AND i.status='pending')"
    )
    workers = dict(rows[:FROZEN])
    if len(workers) < FROZEN or not scene.unpublished():
        return None
    for pid in workers.values():
        os.kill(pid, signal.SIGSTOP)
    holding = [name for name in workers if _stages(scene, [name])]
    if len(holding) == FROZEN and _is_writable(scene, list(workers)):
        return workers
    for pid in workers.values():
        os.kill(pid, signal.SIGCONT)
    return None


def _is_writable(scene: Scene, workers: list[str]) -> bool:
    """A process stopped inside a transaction would keep the others from what it has locked."""
    held = select(BatchItem.document_id).where(BatchItem.lease_owner.in_(workers))
    locking = select(Document.id).where(Document.id.in_(held)).with_for_update(nowait=True)
    try:
        with scene.ledger.ledger.write(patience=1) as session:
            session.execute(locking)
    except OperationalError:
        return False
    return True


def _stages(scene: Scene, names: Any) -> list[Path]:
    staging = scene.archive.staging(scene.site.home)
    places = [staging / name for name in names]
    return [file for place in places for file in place.glob("*/*")]


def _has_ended(scene: Scene) -> bool:
    return bool(scene.query("SELECT run_status FROM batches") == [("ended",)])


def _overtaken(scene: Scene, held: Sequence[Any]) -> int:
    """How many of the documents were recorded under a claim after the frozen one."""
    fences = dict(scene.query("SELECT id, fence FROM documents WHERE archived_at IS NOT NULL"))
    return sum(fences.get(document, 0) > fence for document, fence in held)
