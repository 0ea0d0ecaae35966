"""``imgmig doctor`` on installations with something wrong with each of them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from portal.services.doctor.host import mounted
from tests.functional.installation import Installation

Doctor = Callable[..., dict[str, tuple[str, str | None]]]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path / "home")
    installation.run("db", "upgrade")
    yield installation
    installation.kill_all()


@pytest.fixture
def doctor(site: Installation) -> Doctor:
    """What it finds, by check: state and code."""

    def look(**settings: str) -> dict[str, tuple[str, str | None]]:
        ended = site.run("doctor", "--json", **settings)
        report: dict[str, Any] = ended.json
        assert ended.code == {"ok": 0, "warning": 1, "failed": 2}[report["state"]]
        return {one["check"]: (one["state"], one["code"]) for one in report["checks"]}

    return look


def test_nobody_at_work_and_no_backup_is_said(doctor: Doctor) -> None:
    found = doctor()
    assert found["ledger"] == found["schema"] == found["archive"] == ("ok", None)
    assert found["worker"] == ("failed", "NO_WORKER_ALIVE")
    assert found["backup"] == ("warning", "BACKUP_NONE")
    assert found["ledger_file"] == ("ok", None)


def test_a_fresh_backup_is_fine_and_an_old_one_is_not(
    site: Installation, doctor: Doctor, tmp_path: Path
) -> None:
    site.json("backup", str(tmp_path / "backups"))
    assert doctor()["backup"] == ("ok", None)
    with closing(sqlite3.connect(site.home / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE backups SET as_of = '2024-01-01 00:00:00.000000'")
    assert doctor()["backup"] == ("warning", "BACKUP_OLD")


def test_weak_settings_and_readable_secrets_are_named(site: Installation, doctor: Doctor) -> None:
    (site.home / "secret.key").chmod(0o644)
    token = "short-secret"
    ended = site.run("doctor", PORTAL_BIND="0.0.0.0:8000", XXL_JOB_ACCESS_TOKEN=token)
    assert ended.code == 2
    for code in ("SETTING_EXPOSED", "SETTING_SHORT_TOKEN", "SECRET_EXPOSED"):
        assert code in ended.out
    assert token not in ended.out + ended.err
    assert (site.home / "secret.key").read_text().strip() not in ended.out
    found = doctor(
        XXL_JOB_ADMIN_ADDRESSES="http://admin.example:8080/xxl-job-admin",
        XXL_JOB_ACCESS_TOKEN="x" * 32,
    )
    assert found["settings"] == ("failed", "SETTING_LOOPBACK")


def test_an_unknown_setting_is_an_error(site: Installation) -> None:
    ended = site.run("doctor", "--json", PORTAL_WORKRES="3")
    assert ended.code == 2
    (only,) = ended.json["checks"]
    assert "PORTAL_WORKRES" in only["zh"]


def test_a_ledger_that_is_no_ledger_is_told_and_the_rest_goes_on(
    site: Installation, doctor: Doctor
) -> None:
    for file in site.home.glob("ledger.db*"):
        file.write_bytes(b"not a database, and longer than the header of one " * 200)
    found = doctor()
    assert found["ledger"][0] == "failed"
    assert found["queue"] == ("ok", None)
    assert "backup" not in found


def test_what_waits_too_long_is_counted(site: Installation, doctor: Doctor) -> None:
    with closing(sqlite3.connect(site.home / "ledger.db")) as ledger, ledger:
        ledger.execute(
            "INSERT INTO audit_events (at, actor, action) "
            "VALUES ('2024-01-01 00:00:00.000000', 'x', 'user.login')"
        )
        channel = (
            "INSERT INTO notice_channels (id, name, kind, language, events, config_box, shown, "
            "portal_url, enabled, created_at) VALUES (1, 'x', 'mail', 'zh', '[]', '', '', '', 1, "
            "'2024-01-01 00:00:00.000000')"
        )
        ledger.execute(channel)
        ledger.execute(
            "INSERT INTO notices (channel_id, event, facts, status, created_at, next_try_at, "
            "attempts) VALUES (1, 'ended', '{}', 'waiting', '2024-01-01 00:00:00.000000', "
            "'2024-01-01 00:00:00.000000', 3)"
        )
    found = doctor()
    assert found["trail"] == ("failed", "SEALING_LATE")
    assert found["notices"] == ("warning", "NOTICES_WAITING")


MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
tmpfs /tmp tmpfs rw 0 0
server:/export /srv/my\\040data nfs4 rw,hard 0 0
/dev/sdb1 /srv/my\\040data/inner xfs rw,nobarrier 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/etc", "ext4"),
        ("/tmp/not/there/yet", "tmpfs"),
        ("/srv/my data/archive", "ext4"),
    ],
)
def test_a_folder_lies_where_the_deepest_mount_is(folder: str, kind: str) -> None:
    # What is not there yet lies where the nearest folder above it does.
    assert mounted(Path(folder), MOUNTS)[0] == kind


def test_json_is_one_line(site: Installation) -> None:
    out = site.run("doctor", "--json").out
    assert json.loads(out.strip())["state"] == "failed"
    assert out.count("\n") == 1
