"""``imgmig key rotate``: wherever the key lies, whenever it dies, and beside a migration."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.functional.installation import DemoSource, Installation, answers, wait_for

OLD, NEW = "the key of before, long enough for one", "the key of afterwards, as long as that"
StartSource = Callable[..., DemoSource]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(tmp_path / "elsewhere")
    yield installation
    installation.kill_all()


def add_source(site: Installation, **more: str) -> None:
    assert site.run("db", "upgrade", **more).code == 0
    add = ("source", "add", "影像", "--url", "http://127.0.0.1:9", "--client-id", "c")
    assert site.run(*add, CLIENT_SECRET="a secret to be kept", **more).code == 0


def rotated(site: Installation, *arguments: str, **more: str) -> dict[str, Any]:
    ended = site.run("key", "rotate", *arguments, "--json", **more)
    assert ended.code == 0, ended
    report: dict[str, Any] = ended.json
    return report


def test_a_key_in_the_home_is_replaced_there(site: Installation) -> None:
    add_source(site)
    file = site.home / "secret.key"
    before = file.read_text()
    assert rotated(site) == {
        "rotated": True, "in_place": True, "secrets": 1, "unreadable": 0, "seal": 0,
    }  # fmt: skip
    assert file.read_text() != before
    assert file.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in site.home.glob("*key*")} == {"secret.key"}
    again = site.run("source", "list", "--json")
    assert again.code == 0
    assert "unreadable" not in again.out


def test_one_that_died_before_the_commit_has_changed_nothing_and_takes_the_staged_key(
    site: Installation,
) -> None:
    add_source(site)
    (site.home / "secret.key.new").write_text(NEW)
    assert site.run("source", "list").code == 0
    assert rotated(site)["rotated"]
    assert (site.home / "secret.key").read_text().strip() == NEW


def test_one_that_died_after_the_commit_is_finished_by_the_next(site: Installation) -> None:
    add_source(site)
    file, staged = site.home / "secret.key", site.home / "secret.key.new"
    before = file.read_text()
    rotated(site)
    file.rename(staged)
    file.write_text(before)
    refused = site.run("source", "list")
    assert refused.code == 2
    assert "imgmig key rotate" in refused.err
    assert rotated(site) == {"rotated": False, "in_place": True}
    assert not staged.exists()
    assert site.run("source", "list").code == 0


def test_a_key_that_is_a_setting_is_replaced_by_whoever_sets_it(
    site: Installation, tmp_path: Path
) -> None:
    add_source(site, PORTAL_SECRET_KEY=OLD)
    unnamed = site.run("key", "rotate", PORTAL_SECRET_KEY=OLD)
    assert unnamed.code == 2
    assert "--new-key-file" in unnamed.err
    new = tmp_path / "new.key"
    new.write_text("too short")
    short = site.run("key", "rotate", "--new-key-file", str(new), PORTAL_SECRET_KEY=OLD)
    assert short.code == 2
    assert "32" in short.err
    new.write_text(f"{NEW}\n")
    given = ("--new-key-file", str(new))
    done = rotated(site, *given, PORTAL_SECRET_KEY=OLD)
    assert (done["rotated"], done["in_place"], done["secrets"]) == (True, False, 1)
    again = rotated(site, *given, PORTAL_SECRET_KEY=OLD)
    assert again == {"rotated": False, "in_place": False}
    assert "SECRET_KEY_DIFFERS" in site.run("source", "list", PORTAL_SECRET_KEY=OLD).err
    assert site.run("source", "list", PORTAL_SECRET_KEY=NEW).code == 0
    assert not (site.home / "secret.key").exists()
    new.write_text("y" * 40)
    stranger = site.run("key", "rotate", *given, PORTAL_SECRET_KEY="x" * 40)
    assert "SECRET_KEY_DIFFERS" in stranger.err
    assert site.run("source", "list", PORTAL_SECRET_KEY=NEW).code == 0


def test_a_key_file_of_a_setting_is_replaced_with_its_rights_or_left_to_others(
    site: Installation, tmp_path: Path
) -> None:
    file = tmp_path / "keys" / "imgmig.key"
    file.parent.mkdir()
    file.write_text(OLD)
    file.chmod(0o640)
    setting = {"PORTAL_SECRET_KEY_FILE": str(file)}
    add_source(site, **setting)
    assert rotated(site, **setting)["in_place"]
    assert file.read_text().strip() != OLD
    assert file.stat().st_mode & 0o777 == 0o640
    assert site.run("source", "list", **setting).code == 0
    # Where nothing can be written it says so, before anything is changed.
    (file.parent / "imgmig.key.new").mkdir()
    refused = site.run("key", "rotate", **setting)
    assert refused.code == 2
    assert "KEY_FILE_UNWRITABLE" in refused.err
    assert site.run("source", "list", **setting).code == 0
    new = tmp_path / "given.key"
    new.write_text(NEW)
    (file.parent / "imgmig.key.new").rmdir()
    assert not rotated(site, "--new-key-file", str(new), **setting)["in_place"]
    file.write_text(NEW)
    assert site.run("source", "list", **setting).code == 0


@pytest.mark.processes
@pytest.mark.timeout(580)
def test_a_migration_goes_on_with_the_new_key_and_an_older_backup_with_the_old_one(
    site: Installation, elsewhere: Installation, start_source: StartSource, tmp_path: Path
) -> None:
    source = start_source("--documents=120", "--mean-size=40000", "--fault=latency=0.1")
    site.add_source(source)
    password = "a password for these tests"
    site.run("user", "add", "lee", "--role", "admin", USER_PASSWORD=password)
    up = site.start("up")
    wait_for("ready", lambda: answers(f"{site.address}/readyz"), 240)
    number = site.create_batch()
    site.trigger({"batch": number})
    wait_for("first documents", site.archived_folders, 120)
    site.json("backup", str(tmp_path / "backups"))
    wait_for("a seal", lambda: site.run("audit", "anchor").code == 0, 60)
    processes = set(site.processes("imgmig")) - {up.process.pid}
    with requests.Session() as person:
        page = person.get(f"{site.address}/login", timeout=30).text
        token = page.partition('name="csrf_token"')[2].partition('value="')[2].partition('"')[0]
        form = {"name": "lee", "password": password, "csrf_token": token}
        assert person.post(f"{site.address}/login", data=form, timeout=30).ok
        assert person.get(f"{site.address}/sources/", timeout=30).url.endswith("/sources/")
        report = rotated(site)
        assert report["rotated"]
        assert report["seal"] > 0
        wait_for(
            "processes with the new key",
            lambda: (
                not processes & set(site.processes("web")) and answers(f"{site.address}/readyz")
            ),
            240,
        )
        assert "/login" in person.get(f"{site.address}/sources/", timeout=30).url
    assert "SECRET_KEY_CHANGED" in up.err
    source.switch()
    done = site.wait_until_ended(number)
    assert done["done"] == source.healthy()
    verified = site.json("audit", "verify")
    assert verified["sound"], verified
    assert site.run("source", "check", "演示源").code == 0

    restored = elsewhere.json("restore", str(tmp_path / "backups"))
    assert restored["trail"]["sound"]
    assert elsewhere.run("source", "check", "演示源").code == 0
    assert rotated(elsewhere)["rotated"]
    assert elsewhere.json("audit", "verify")["sound"]
    shutil.rmtree(elsewhere.home)
