"""The commands as a person types them: what they print, how they refuse."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.functional.installation import SOURCE, DemoSource, Ended, Installation, free_port

pytestmark = pytest.mark.processes

StartSource = Callable[..., DemoSource]


def assert_refused(ended: Ended, *words: str) -> None:
    """In a sentence that names it, and with the exit code of what a user can mend."""
    assert ended.code == 2, ended
    said = ended.out + ended.err
    assert "Traceback" not in said
    assert "internal error" not in said
    for word in words:
        assert word in said


def test_an_upgrade_is_safe_to_repeat(site: Installation) -> None:
    assert_refused(site.run("batch", "list"), "imgmig db upgrade")
    assert site.run("db", "upgrade").code == 0
    assert site.run("db", "upgrade").code == 0
    assert site.json("batch", "list") == []


def test_accounts(site: Installation) -> None:
    site.run("db", "upgrade")
    made = site.run("user", "add", "zhang", "--role", "auditor")
    assert made.code == 0
    assert len(made.out.split()[-1]) == 16
    assert_refused(site.run("user", "add", "zhang"), "zhang")
    assert_refused(site.run("user", "add", "li", "--role", "boss"), "boss")
    assert_refused(site.run("user", "add", "li", USER_PASSWORD="short"), "10")
    changed = site.run("user", "passwd", "zhang", USER_PASSWORD="correct horse")
    assert changed.code == 0
    assert "correct horse" not in changed.out
    assert_refused(site.run("user", "passwd", "nobody"), "nobody")


def test_sources_are_kept_and_their_secrets_never_shown(
    site: Installation, start_source: StartSource
) -> None:
    source = start_source("--documents=12", "--months=1")
    site.add_source(source)
    listed = site.run("source", "list", "--json")
    assert [row["name"] for row in listed.json] == [SOURCE]
    checked = site.run("source", "check", SOURCE)
    assert checked.code == 0
    wrong = site.run(
        *("source", "add", "wrong", "--url", source.url, "--client-id", source.client_id),
        CLIENT_SECRET="not-the-secret",
    )
    assert wrong.code == 0
    refused = site.run("source", "check", "wrong")
    assert_refused(refused, "SRC_CREDENTIALS")
    outputs = [site.run("source", "list"), listed, checked, wrong, refused]
    for ended in outputs:
        assert source.client_secret not in ended.out + ended.err
        assert "not-the-secret" not in ended.out + ended.err
    for path in site.home.rglob("*"):
        if path.is_file():
            assert source.client_secret.encode() not in path.read_bytes()
    assert_refused(site.run("source", "check", "nobody"), "nobody")
    nonsense = ("source", "add", "x", "--url", "ftp://x", "--client-id", "a")
    assert_refused(site.run(*nonsense, CLIENT_SECRET="s"), "http")


def test_what_is_not_named_of_a_source_stays_and_what_is_cleared_goes(
    site: Installation, start_source: StartSource, tmp_path: Path
) -> None:
    source = start_source("--documents=12", "--months=1")
    authority = Authority(tmp_path)
    rules = tmp_path / "rules.json"
    rules.write_text('{"min_short_side": 200}')
    secret_proxy = "http://me:s3cret-of-the-proxy@127.0.0.1:9"
    site.add_source(source)
    options = ("--ca-file", str(authority.file), "--rules", str(rules), "--concurrency-cap", "5")
    added = site.run("source", "add", SOURCE, *options, SOURCE_PROXY=secret_proxy)
    assert added.code == 0, added
    changed = site.run("source", "add", SOURCE, "--concurrency-cap", "6")
    assert changed.code == 0, changed
    (row,) = site.json("source", "list")
    assert row["base_url"] == source.url
    assert (row["proxy"], row["private_ca"]) == ("http://127.0.0.1:9", True)
    assert row["concurrency_cap"] == 6
    listed = site.run("source", "list")
    assert "http://127.0.0.1:9" in listed.out
    assert "private CA" in listed.out
    refused = site.run("source", "check", SOURCE)
    assert_refused(refused, "SRC_PROXY")
    both = ("--clear", "proxy", "--clear", "ca-file", "--clear", "concurrency-cap")
    assert_refused(site.run("source", "add", SOURCE, *both, "--proxy", secret_proxy), "--proxy")
    assert site.run("source", "add", SOURCE, *both).code == 0
    (row,) = site.json("source", "list")
    assert (row["proxy"], row["private_ca"], row["concurrency_cap"]) == (None, False, None)
    assert site.run("source", "check", SOURCE).code == 0, "the secret was kept"
    for ended in (added, changed, listed, refused):
        assert "s3cret-of-the-proxy" not in ended.out + ended.err


def test_a_new_source_needs_its_address_and_sound_certificates(
    site: Installation, tmp_path: Path
) -> None:
    site.run("db", "upgrade")
    assert_refused(site.run("source", "add", "x", "--client-id", "a", CLIENT_SECRET="s"), "--url")
    new = ("source", "add", "x", "--url", "https://x.example", "--client-id", "a")
    expired = str(Authority(tmp_path, days=-1).file)
    assert_refused(site.run(*new, "--ca-file", expired, CLIENT_SECRET="s"), "expired")
    text = tmp_path / "no.pem"
    text.write_text("hello")
    assert_refused(site.run(*new, "--ca-file", str(text), CLIENT_SECRET="s"), "PEM")
    assert_refused(site.run(*new, CLIENT_SECRET="s", SOURCE_PROXY="http://me:s3cret@x"), "proxy")
    assert site.json("source", "list") == []


def test_a_check_fetches_a_file_of_the_month_it_is_told(
    site: Installation, start_source: StartSource
) -> None:
    source = start_source("--documents=24", "--months=1", "--mean-size=40000")
    site.add_source(source)
    checked = site.json("source", "check", SOURCE, "--month", "2024-01")
    assert (checked["ok"], checked["month"], checked["documents"]) == (True, "2024-01", 24)
    assert checked["file_bytes"] > 0
    assert abs(checked["clock_skew_seconds"]) <= 2
    empty = site.run("source", "check", SOURCE)
    assert empty.code == 0
    assert "没有列出任何文件" in empty.out


def test_what_a_batch_would_do_is_told_and_nothing_created(
    site: Installation, start_source: StartSource
) -> None:
    source = start_source("--documents=24", "--months=1", "--mean-size=40000")
    site.add_source(source)
    told = site.json("batch", "create", *scope_of_january(), "--preview")
    expected = source.expected()
    assert (told["documents"], told["bytes"]) == (expected["documents"], expected["bytes"])
    assert (told["size_from"], told["seconds"], told["twin"]) == ("source", None, None)
    assert [month["month"] for month in told["months"]] == ["2024-01"]
    assert site.json("batch", "list") == []
    batch = site.run("batch", "create", *scope_of_january(), "--priority", "low").out.strip()
    assert batch in site.run("batch", "create", *scope_of_january(), "--preview").out
    twin = site.run("batch", "create", *scope_of_january())
    assert twin.code == 0
    assert batch in twin.err  # scripts are told; who sits at a terminal is asked
    assert site.run("batch", "priority", batch, "high").code == 0
    assert site.show(batch)["priority"] == "high"
    source.switch(down=1)
    refused = site.run("batch", "create", *scope_of_january(), "--preview")
    assert_refused(refused, "SRC_SERVER_ERROR")


def test_what_a_source_offers(site: Installation, start_source: StartSource) -> None:
    source = start_source("--documents=24", "--months=1", "--mean-size=40000")
    site.add_source(source)
    told = site.json("source", "catalogue", SOURCE)
    assert {one["code"]: one["name"] for one in told["organisations"]}["1001"] == "深圳总部"
    assert sum(one["documents"] for one in told["types"]) <= 24
    assert told["listed"] == {"organisations": False, "types": False}
    calls = source.calls()
    assert site.json("source", "catalogue", SOURCE) == told  # young enough
    assert source.calls() == calls
    assert "FYBX" in site.run("source", "catalogue", SOURCE, "--refresh").out
    assert source.calls() > calls


def test_a_batch_from_its_creation_to_its_deletion(
    site: Installation, start_source: StartSource
) -> None:
    source = start_source("--documents=24", "--months=1", "--mean-size=40000")
    site.add_source(source)
    batch = site.create_batch("2024-01-01", "2024-01-31")
    other = site.json("batch", "create", *scope_of_january(), "--overlap", "all")["batch_no"]
    assert site.show(other)["overlap"] == "all"
    assert "全部重查" in site.run("batch", "show", other).out
    assert_refused(site.run("batch", "create", *scope_of_january(), "--overlap", "some"), "missing")
    assert site.run("batch", "delete", other).code == 0
    shown = site.show(batch)
    assert shown["overlap"] == "missing"
    assert (shown["run_status"], shown["sync_status"], shown["total"]) == ("waiting", "pending", 0)
    assert site.run("batch", "run", batch).code == 0
    assert_refused(site.run("batch", "delete", batch), batch)
    worker = site.start("worker")
    agent = site.start("agent")
    watched = site.run("batch", "watch", batch)
    assert worker.is_running()
    assert agent.is_running()
    assert watched.code == 1  # six documents failed
    report = site.show(batch)
    assert (report["done"], report["failed"]) == (18, 6)
    people = site.run("batch", "show", batch).out
    assert "部分同步完成" in people
    assert "处理措施" in people
    assert batch in site.run("batch", "list").out
    retry_some(site, batch)
    assert_lists_are_filtered(site, batch)
    assert site.run("batch", "delete", batch).code == 0
    assert_refused(site.run("batch", "show", batch), batch)
    assert site.run("verify").code == 0
    assert_verify_finds_what_was_done_to_the_archive(site)


def assert_lists_are_filtered(site: Installation, batch: str) -> None:
    """The batch of January 2024, which has ended with failures, is found by what holds of it."""
    found = ["--overview=failed", "--sync=partial", "--run=ended", "--org=1001", "--type=FYBX"]
    found += ["--from=2024-01-31", "--to=2024-01-31", f"--source={SOURCE}", f"--number={batch}"]
    assert [row["batch_no"] for row in site.json("batch", "list", *found)] == [batch]
    assert site.json("batch", "list", "--from=2024-02-01") == []
    assert site.json("batch", "list", "--created-to=2024-01-01") == []
    assert_refused(site.run("batch", "list", "--source=nobody"), "nobody")
    assert_refused(site.run("batch", "list", "--sync=perhaps"), "partial")
    (month,) = site.json("month", "list", "--from=2024-01", "--to=2024-01", "--equality=unequal")
    assert (month["state"], month["total"], month["done"]) == ("unequal", 24, 18)
    assert [one["batch_no"] for one in month["batches"]] == [batch]
    assert "不相等" in site.run("month", "list").out
    assert site.json("month", "list", "--equality=equal") == []
    assert_refused(site.run("month", "list", "--from=2024-13"), "2024-13")
    refused = site.run("batch", "retry", "MB20240101-9999", batch, "--month=2024-02")
    assert_refused(refused, "MB20240101-9999", f"批次 {batch} 不含月份 2024-02")
    assert batch in site.run("batch", "retry", batch, "--month=2024-01").out
    assert site.run("batch", "watch", batch).code == 1


def retry_some(site: Installation, batch: str) -> None:
    """One document, then one cause; each is a run of its own."""
    (first,) = site.show(batch)["runs"]
    assert (first["run_no"], first["outcome"], first["failed"]) == (1, "ended", 6)
    cause = site.show(batch)["failures"][0]
    assert_refused(site.run("batch", "retry", batch, "--document", "NOBODY"), "NOBODY")
    assert_refused(site.run("batch", "retry", batch, "--month", "2019-01"), batch)
    again = site.json("batch", "retry", batch, "--document", cause["example"])
    assert again == {"batch_no": batch, "documents": 1, "not_failed": {}}
    assert site.run("batch", "watch", batch).code == 1
    again = site.json("batch", "retry", batch, "--code", cause["code"])
    assert again["documents"] == cause["count"]
    assert site.run("batch", "watch", batch).code == 1
    runs = site.show(batch)["runs"]
    assert [run["narrowed"] for run in runs] == [{"code": cause["code"]}, {"selected": 1}, None]
    assert "第 3 次运行" in site.run("batch", "show", batch).out


def scope_of_january() -> tuple[str, ...]:
    return ("--source", SOURCE, "--from", "2024-01-01", "--to", "2024-01-31")


def assert_verify_finds_what_was_done_to_the_archive(site: Installation) -> None:
    flipped, removed, _ = (next(folder.iterdir()) for folder in site.archived_folders()[:3])
    flip_a_bit(flipped)
    removed.unlink()
    extra = site.archive / "extra.pdf"
    extra.write_bytes(b"%PDF-")
    ended = site.run("verify", "--json")
    assert ended.code == 1
    found = {finding["storage_key"]: finding["code"] for finding in ended.json["findings"]}
    assert found == {
        flipped.relative_to(site.archive).as_posix(): "ARCHIVE_DAMAGED",
        removed.relative_to(site.archive).as_posix(): "ARCHIVE_MISSING",
        "extra.pdf": "ARCHIVE_EXTRA",
    }
    assert ended.json["documents"] == 16
    assert "ARCHIVE_DAMAGED" in site.run("verify").out


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o640)
    path.write_bytes(content)


def test_scopes_and_numbers_that_make_no_sense(
    site: Installation, start_source: StartSource
) -> None:
    site.add_source(start_source("--documents=12", "--months=1"))
    create = ("batch", "create", "--source", SOURCE)
    assert_refused(site.run(*create, "--from", "2024-02-30", "--to", "2024-03-01"), "2024-02-30")
    assert_refused(site.run(*create, "--from", "2024-03-02", "--to", "2024-03-01"), "结束日期")
    assert_refused(site.run(*create, "--from", "1900-01-01", "--to", "2024-03-01"), "600")
    other = ("batch", "create", "--source", "nobody", "--from", "2024-01-01", "--to", "2024-01-31")
    assert_refused(site.run(*other), "nobody")
    for action in ("show", "run", "pause", "resume", "cancel", "delete", "retry", "watch"):
        assert_refused(site.run("batch", action, "MB20240101-9999"), "MB20240101-9999")
    assert_refused(site.run("verify", "--batch", "MB20240101-9999"), "MB20240101-9999")


BAD_SETTINGS = {
    "IMGMIG_HOME": "/dev/null/home",
    "IMGMIG_NONSENSE": "1",
    "PORTAL_DATABASE_URL": "oracle://user:hidden@host/name",
    "PORTAL_QUEUE_URL": "amqp://host",
    "PORTAL_ARCHIVE_URL": "ftp://host/folder",
    "PORTAL_SECRET_KEY": "short",
    "PORTAL_SECRET_KEY_FILE": "/nowhere/key",
    "PORTAL_BIND": "8000",
    "PORTAL_WORKERS": "none",
    "PORTAL_LOCALE": "fr",
    "PORTAL_TIMEZONE": "Mars/Olympus",
    "PORTAL_BASE_PATH": "imaging/",
    "PORTAL_TRUSTED_PROXIES": "-1",
    "XXL_JOB_ADMIN_ADDRESSES": "admin",
    "XXL_JOB_EXECUTOR_APPNAME": "abc",
    "XXL_JOB_EXECUTOR_ADDRESS": "here",
    "XXL_JOB_LOG_RETENTION_DAYS": "0",
    "XXL_JOB_HANDLER_MODULES": "no.such.module",
    "XXL_JOB_ALLOW_NO_TOKEN": "perhaps",
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_a_setting_that_makes_no_sense_is_named(site: Installation, name: str) -> None:
    value = BAD_SETTINGS[name]
    ended = site.run("up", **{name: value})
    assert_refused(ended, value if name == "IMGMIG_HOME" else name)
    assert "hidden" not in ended.err
    assert site.processes() == []


def test_a_ledger_that_does_not_answer(site: Installation) -> None:
    url = f"postgresql://user:hidden@127.0.0.1:{free_port()}/name"
    ended = site.run("batch", "list", PORTAL_DATABASE_URL=url)
    assert_refused(ended, "ledger")
    assert "hidden" not in ended.err


def test_a_port_in_use_is_said_plainly(site: Installation) -> None:
    site.run("db", "upgrade")
    with closing(socket.create_server(("127.0.0.1", site.port))):
        address = f"127.0.0.1:{site.port}"
        assert_refused(site.run("up"), address, "PORTAL_BIND")
        assert_refused(site.run("web"), address, "PORTAL_BIND")
        assert_refused(site.run("demo", "--keep"), address, "PORTAL_BIND")
        assert_refused(site.demo(), address)
        assert_refused(site.run("demo-source", "--bind", address), address)
        elsewhere = {"PORTAL_BIND": f"127.0.0.1:{free_port()}"}
        keep = ("demo", "--keep", "--source-bind", address)
        assert_refused(site.run(*keep, **elsewhere), address, "--source-bind")
    assert site.processes() == []


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("--documents=3", "documents"),
        ("--documents=many", "--documents"),
        ("--first-month=January", "first_month"),
        ("--fault=latency", "latency"),
        ("--fault=latency=slow", "latency=slow"),
        ("--fault=nonsense=1", "nonsense"),
        ("--bind=8100", "8100"),
        ("--bind=127.0.0.1:99999", "99999"),
    ],
)
def test_an_option_of_the_demo_source_that_makes_no_sense(
    site: Installation, option: str, named: str
) -> None:
    assert_refused(site.run("demo-source", option), named)


def test_a_preflight_from_this_host(site: Installation, start_source: StartSource) -> None:
    source = start_source("--documents=12", "--months=1")
    site.add_source(source)
    checked = site.run("preflight", "--source", SOURCE, "--json")
    assert checked.code == 1  # no worker is alive
    report = checked.json
    assert report["state"] == "failed"
    whole, here = report["hosts"]
    assert [one["code"] for one in whole["items"] if one["state"] == "failed"] == [
        "NO_WORKER_ALIVE"
    ]
    items = (
        "reach",
        "token",
        "count",
        "listing",
        "file",
        "inspection",
        "clock",
        "space",
        "archive",
    )
    assert [one["check"] for one in here["items"]] == list(items)
    assert "failed" not in {one["state"] for one in here["items"]}
    told = site.run("preflight", "--source", SOURCE)
    assert told.code == 1
    assert "imgmig worker" in told.out
    scope = ("--source", SOURCE, "--from", "2024-01-01", "--to", "2024-01-31")
    assert_refused(site.run("batch", "create", *scope), "NO_WORKER_ALIVE")
    made = site.run("batch", "create", *scope, "--override-preflight", "workers come tonight")
    assert made.code == 0, made


def test_ticks_by_command(site: Installation, start_source: StartSource) -> None:
    site.add_source(start_source("--documents=12", "--months=1"))
    named = ("--source", SOURCE)
    assert_refused(site.run("preflight", "tick", "version", *named), "--remark")
    ticked = site.run("preflight", "tick", "version", *named, "--remark", "both 8.0.3")
    assert ticked.code == 0, ticked
    assert_refused(site.run("preflight", "tick", "version", *named, "--remark", "x"), "ticked")
    by_hand = site.run("preflight", *named, "--json").json["by_hand"]
    assert (by_hand["version"]["remark"], by_hand["licence"]) == ("both 8.0.3", None)
    assert site.run("preflight", "withdraw", "version", *named).code == 0
    assert_refused(site.run("preflight"), "--source")
    assert_refused(site.run("preflight", "--source", "nobody"), "nobody")
