"""What must be true when everything was killed again and again and has ended all the same."""

from __future__ import annotations

from typing import Any

from tests.chaos.mortal import sealing_functions
from tests.chaos.scene import CONCURRENCY, WORKERS, Scene
from tests.functional.installation import wait_for

# A worker claims as many documents as it may have files in flight, anew when the last of them has
# been started, and hands groups over twice a second.
_FILES_OF_A_WORKER = CONCURRENCY // WORKERS * 5 * 3


def wait_until_swept(scene: Scene) -> None:
    """The agent's sweep has nothing left to do."""

    def swept() -> bool:
        return not scene.unpublished() and not orphans(scene)

    wait_for(f"a clean archive: {scene.unpublished()[:3]}", swept, 30)


def orphans(scene: Scene) -> set[str]:
    """Folders in the archive that the ledger does not name."""
    # Before the ledger is asked: what is published meanwhile may be recorded meanwhile.
    there = scene.archive.folders()
    named = {row[0] for row in scene.query("SELECT folder FROM documents WHERE folder IS NOT NULL")}
    return there - named


def findings(scene: Scene, kills: list[dict[str, Any]]) -> list[str]:
    """Everything that is not as it must be, in words."""
    return [
        *_documents(scene),
        *_archive(scene),
        *_counters(scene),
        *_leftovers(scene),
        *_traffic(scene, kills),
        *_job_runs(scene),
        *_trail(scene),
    ]


def _documents(scene: Scene) -> list[str]:
    expected = scene.source.expected()
    found = []
    synced, failed, other = scene.query(
        f"SELECT {_with('synced')}, {_with('failed')},"
        f" count(*) - {_with('synced')} - {_with('failed')} FROM batch_items i"
    )[0]
    healthy = expected["documents"] - len(expected["defects"])
    if (synced, failed, other) != (healthy, len(expected["defects"]), 0):
        found.append(f"synced {synced} of {healthy}, failed {failed}, other {other}")
    planted = sorted(defect["code"] for defect in expected["defects"])
    codes = sorted(
        row[0] for row in scene.query("SELECT error_code FROM batch_items WHERE status='failed'")
    )
    if codes != planted:
        found.append(f"failed with {codes}, planted were {planted}")
    for what, sql in {
        "batches that have not ended": "SELECT batch_no FROM batches WHERE run_status <> 'ended'",
        "documents with two items": "SELECT document_id FROM batch_items GROUP BY 1"
        " HAVING count(*) > 1",
        "documents recorded twice": "SELECT document_id FROM audit_events WHERE"
        " action='item.status' AND new IN ('synced', 'failed', 'skipped') GROUP BY 1"
        " HAVING count(*) > 1",
    }.items():
        found += [f"{what}: {rows[:5]}" for rows in [scene.query(sql)] if rows]
    return found


def _archive(scene: Scene) -> list[str]:
    there = scene.archive.keys()
    named = {
        row[0] for row in scene.query("SELECT storage_key FROM files WHERE storage_key IS NOT NULL")
    }
    found = []
    if there != named:
        found.append(f"only in the archive {len(there - named)}, only named {len(named - there)}")
    verified = scene.site.run("verify", "--json")
    if verified.code or verified.json["findings"]:
        found.append(f"verify: {verified.out}{verified.err}")
    return found


def _counters(scene: Scene) -> list[str]:
    found = []
    for table, column in (("batches", "batch_id"), ("slices", "slice_id")):
        wrong = scene.query(
            f"SELECT t.id, t.total, t.synced, t.skipped, t.failed, count(i.id),"
            f" {_with('synced')}, {_with('skipped')}, {_with('failed')}"
            f" FROM {table} t JOIN batch_items i ON i.{column}=t.id GROUP BY t.id"
            f" HAVING t.total<>count(i.id) OR t.synced<>{_with('synced')}"
            f" OR t.skipped<>{_with('skipped')} OR t.failed<>{_with('failed')}"
        )
        stored = scene.query(
            f"SELECT t.id, t.stored_files, t.stored_bytes, count(f.id), sum(f.size)"
            f" FROM {table} t JOIN batch_items i ON i.{column}=t.id"
            f" JOIN files f ON f.document_id=i.document_id AND f.storage_key IS NOT NULL"
            f" GROUP BY t.id HAVING t.stored_files<>count(f.id) OR t.stored_bytes<>sum(f.size)"
        )
        found += [f"counters of {table}: {rows[:3]}" for rows in (wrong, stored) if rows]
    return found


def _with(status: str) -> str:
    """SQL of the number of items with a status, in any database."""
    return f"coalesce(sum(CASE WHEN i.status='{status}' THEN 1 ELSE 0 END), 0)"


def _leftovers(scene: Scene) -> list[str]:
    found = []
    if incoming := scene.unpublished():
        found.append(f"temporary files: {incoming[:3]}")
    if folders := orphans(scene):
        found.append(f"folders nobody names: {sorted(folders)[:3]}")
    if held := scene.ledger.leased():
        found.append(f"leases left: {held}")
    return found


def again(scene: Scene) -> int:
    """How many downloads were made again."""
    repeated = scene.source.statistics()["repeatedDownloads"].values()
    return sum(times - 1 for times in repeated)


def explained(kills: list[dict[str, Any]]) -> int:
    """How many downloads the kills explain: the files of what was held by whom they met."""
    whole_installation = WORKERS * _FILES_OF_A_WORKER
    return sum(
        kill.get("held_files", whole_installation if kill["point"] != "outer.web" else 0)
        for kill in kills
    )


def _traffic(scene: Scene, kills: list[dict[str, Any]]) -> list[str]:
    found = []
    if again(scene) > explained(kills):
        found.append(f"{again(scene)} downloads made again, the kills explain {explained(kills)}")
    if scene.source.most_downloads_of_a_file() > 1 + len(kills):
        found.append("a file was fetched more often than there were kills")
    return found


def _job_runs(scene: Scene) -> list[str]:
    def delivered() -> bool:
        return set(scene.accepted) <= set(scene.admin.results)

    wait_for("the results at the admin", delivered, 150)
    codes = [scene.admin.results[log_id].code for log_id in scene.accepted]
    return [f"results {codes}" for _ in [0] if not set(codes) <= {200, 500}]


def _trail(scene: Scene) -> list[str]:
    """The sealed trail is whole, where the product seals it."""
    if not sealing_functions():
        return []
    verified = scene.site.run("audit", "verify")
    return [f"audit trail: {verified.out}{verified.err}"] if verified.code else []
