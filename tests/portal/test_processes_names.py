"""Names of worker slots."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from portal.processes import WorkerSlot, worker_slots


def test_slots_of_two_hosts_never_share_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As containers of one image do: the same host name, and homes at the same path."""
    monkeypatch.setattr(socket, "gethostname", lambda: "imgmig")
    names = []
    for host in ("one", "two"):
        home = tmp_path / "home"
        with closing(WorkerSlot(home)) as slot:
            names.append(slot.name)
            assert worker_slots(home) == [slot.name]
        home.rename(tmp_path / host)
    assert len(set(names)) == 2


def test_a_slot_keeps_its_name_and_all_who_ask_first_hear_the_same(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "worker-0.lock").touch()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: tuple(worker_slots(tmp_path)), range(50)))
    assert len(set(found)) == 1
    with closing(WorkerSlot(tmp_path)) as slot:
        assert (slot.name,) == found[0]
