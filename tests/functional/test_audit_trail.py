"""The sealed trail of a real installation: its commands, and an agent that is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portal.seal_key import SealKey
from portal.services.anchor_file import NAME
from portal.settings import read_settings
from tests.functional.installation import DemoSource, Installation, kill, wait_for
from tests.portal.ledger_scene import opened_ledger
from tests.portal.trail_scene import Trail

pytestmark = pytest.mark.processes

StartSource = Callable[..., DemoSource]


@contextmanager
def trail_of(site: Installation) -> Iterator[Trail]:
    with opened_ledger(f"sqlite:///{site.home / 'ledger.db'}") as ledger:
        yield Trail(ledger)


def key_of(site: Installation) -> SealKey:
    return SealKey(read_settings({"IMGMIG_HOME": str(site.home)}).secret_key())


def test_the_trail_is_verified_by_command(site: Installation, tmp_path: Path) -> None:
    site.run("db", "upgrade")
    nothing = site.run("audit", "anchor")
    assert (nothing.code, "Traceback" in nothing.err) == (2, False)
    site.run("user", "add", "zhang", "--role", "auditor")
    with trail_of(site) as trail:
        trail.write(5000)
        trail.seal(key=key_of(site))
    anchor = site.run("audit", "anchor").out.strip()
    sound = site.run("audit", "verify", "--anchor", f"audit anchor: {anchor}")
    assert sound.code == 0, sound
    assert "5001" in sound.out
    assert "完好 sound" in sound.out
    kept = tmp_path / "job.log"
    kept.write_text(f"2026-11-22 08:00:00 操作日志锚点 audit anchor: {anchor}\n")
    assert site.json("audit", "verify", "--anchor-file", str(kept))["anchors"] == 1
    with trail_of(site) as trail:
        trail.tamper("UPDATE audit_events SET actor = 'x' WHERE id IN (4000, 4711)")
    bad = site.run("audit", "verify")
    assert bad.code == 1
    assert "第一处 first: AUDIT_ROW_CHANGED" in bad.out
    assert bad.out.index("4000") < bad.out.index("4711")
    report = site.run("audit", "verify", "--json")
    assert report.code == 1
    assert report.json["faults"][0]["event_id"] == 4000
    with trail_of(site) as trail:
        reached = trail.seals()[0].reached_id
        trail.tamper(
            "DELETE FROM audit_seals WHERE no > 1",
            f"DELETE FROM audit_events WHERE id > {reached}",
        )
    assert site.run("audit", "verify").code == 0
    cut = site.run("audit", "verify", "--anchor-file", str(kept), "--json")
    assert [fault["code"] for fault in cut.json["faults"]] == ["AUDIT_TAIL_CUT"]
    with trail_of(site) as trail, trail.ledger.read() as session:
        asked = (
            session.connection()
            .exec_driver_sql(
                "SELECT new, origin FROM audit_events WHERE action = 'audit.verify' ORDER BY id"
            )
            .all()
        )
        assert [row.new for row in asked] == ["sound", "unsound"]
        assert {row.origin[:4] for row in asked} == {"cli "}


@pytest.mark.parametrize("text", ["junk", "12", "12-xyz", "0-0123456789abcdef0123"])
def test_an_anchor_that_is_none_is_refused(site: Installation, text: str) -> None:
    site.run("db", "upgrade")
    refused = site.run("audit", "verify", "--anchor", text)
    assert refused.code == 2
    assert text in refused.out + refused.err


@pytest.mark.processes
def test_an_agent_that_is_killed_again_and_again_seals_all(
    site: Installation, start_source: StartSource
) -> None:
    source = start_source("--documents", "240", "--mean-size", "40000", "--fault=latency=1")
    site.add_source(source)
    site.start_up()
    number = site.create_batch("2024-01-01", "2024-12-31")
    site.run("batch", "run", number)
    for _ in range(3):
        with trail_of(site) as trail:
            before = len(trail.seals())
            wait_for("another seal", lambda: len(trail.seals()) > before)  # noqa: B023
        kill(*site.processes("agent"))
    site.wait_until_ended(number)
    with trail_of(site) as trail:
        wait_for("everything sealed", lambda: not trail.unsealed())
        wait_for("an anchor", (site.home / NAME).exists)
    report = site.json("audit", "verify")
    assert report["sound"]
    assert report["anchors"] >= 1
    assert report["events"] >= 240
