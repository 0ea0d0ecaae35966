"""``imgmig demo --keep``: serves after the end, until Ctrl-C; the next start goes on."""

from __future__ import annotations

import signal

import pytest

from tests.functional.installation import Installation, Running, free_port, wait_for

pytestmark = pytest.mark.processes

SMALL = ("--documents", "24", "--mean-size", "40000")


def start(site: Installation, *options: str) -> Running:
    bind = f"127.0.0.1:{free_port()}"
    return site.start("demo", "--keep", "--source-bind", bind, *SMALL, *options)


def wait_until_serving(site: Installation, demo: Running) -> str:
    def serving() -> str | None:
        assert demo.is_running(), (demo.out, demo.err)
        return demo.out if '"trigger"' in demo.out else None

    out = wait_for("the result", serving, seconds=60)
    site.wait_until_ready(demo)
    return out


def test_it_serves_until_ctrl_c_and_a_second_start_skips_what_is_archived(
    site: Installation,
) -> None:
    first = start(site)
    assert "password" in wait_until_serving(site, first)
    ended = first.stop(signal.SIGINT)
    assert ended.code == 0, ended
    assert site.address in ended.out
    site.wait_until_gone()
    second = start(site)
    out = wait_until_serving(site, second)
    assert "不符 differs" not in out
    assert second.stop(signal.SIGINT).code == 0
    newest, oldest = site.json("batch", "list")
    assert (oldest["synced"], oldest["skipped"]) == (18, 0)
    assert (newest["synced"], newest["skipped"]) == (0, 18)


def test_killed_in_mid_batch_it_goes_on_at_the_next_start(site: Installation) -> None:
    killed = start(site, "--fault=latency=0.5")
    wait_for("first documents", lambda: site.archived_folders() or not killed.is_running())
    assert '"trigger"' not in killed.out
    killed.stop(signal.SIGKILL)
    site.wait_until_gone(seconds=5)
    again = start(site)
    out = wait_until_serving(site, again)
    assert "不符 differs" not in out
    assert again.stop(signal.SIGTERM).code in (0, 143)
    (batch,) = site.json("batch", "list")
    assert batch["done"] == 18
    assert site.json("verify")["findings"] == []
    assert site.incoming_files() == []


def test_ctrl_c_before_the_end_stops_all(site: Installation) -> None:
    demo = start(site, "--fault=latency=0.5")
    wait_for("first documents", lambda: site.archived_folders() or not demo.is_running())
    ended = demo.stop(signal.SIGINT)
    assert ended.code == 130
    assert "password" in ended.out  # else nobody could ever log in
    assert "Traceback" not in ended.err
    assert site.processes() == []
