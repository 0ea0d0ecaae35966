"""Every secret is planted, everything goes right and wrong once, and none of them shows."""

from __future__ import annotations

import re
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import pytest
import requests
from sqlalchemy import inspect

from portal.services.export_kinds import FORMATS, KINDS
from tests.executor import fake_admin
from tests.executor.fake_admin import FakeAdmin
from tests.functional.backends import Backends, Kinds, opened_backends
from tests.functional.echoing_source import echoing_source
from tests.functional.installation import (
    DemoSource,
    Installation,
    answers,
    free_port,
    trigger_body,
    wait_for,
)
from tests.functional.secret_hunt import Hunt
from tests.proxy_server import ProxyServer

pytestmark = [pytest.mark.processes, pytest.mark.timeout(580)]
_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_LINK = re.compile(r'(?:href|src|hx-get)="([^"]+)"')
# No secret, and to be found wherever a secret would: so much for whether the search looks at all.
#: So long may things take where others work too.
PATIENCE = 240.0
CONTROL = "影像系统-control-7351"


def _planted() -> dict[str, str]:
    """A value of its own for each, with what has to be written otherwise in addresses and JSON."""

    def odd(name: str) -> str:
        return f'{name}/+&="{secrets.token_hex(9)}'

    def plain(name: str) -> str:
        return f"{name}-{secrets.token_hex(9)}"

    names_odd = (
        *("wrong client secret", "echoed client secret", "proxy password", "closed proxy password"),
        *("mail password", "signing secret", "robot secret", "admin password", "user password"),
        *("second password", "database password", "queue password", "zookeeper password"),
    )
    names_plain = (
        *("secret key of this installation", "access token", "next access token"),
        *("metrics token", "echoed token", "webhook token", "robot token", "s3 secret"),
    )
    return {name: odd(name.replace(" ", "")) for name in names_odd} | {
        name: plain(name.replace(" ", "-")) for name in names_plain
    }


class Somebody:
    """An admin with a browser, who looks at everything."""

    def __init__(self, site: Installation, name: str, password: str) -> None:
        self._site = site
        self.session = requests.Session()
        self.seen: dict[str, bytes] = {}
        self.post("/login", {"name": name, "password": password})

    @property
    def cookies(self) -> dict[str, str]:
        return {f"cookie {one.name}": str(one.value) for one in self.session.cookies if one.value}

    def get(self, path: str) -> requests.Response:
        answer = self.session.get(self._site.address + path, timeout=60)
        heads = "\n".join(
            f"{name}: {value}" for name, value in answer.headers.items() if name != "Set-Cookie"
        )
        self.seen[path] = answer.content
        self.seen[f"{path} headers"] = heads.encode()
        return answer

    def post(self, path: str, fields: dict[str, Any], *, form: str = "") -> requests.Response:
        found = _FIELD.search(self.get(form or path).text)
        assert found, path
        answer = self.session.post(
            self._site.address + path,
            data={**fields, "csrf_token": found[1]},
            headers={"Referer": self._site.address + path},
            timeout=60,
        )
        self.seen[f"POST {path}"] = answer.content
        assert answer.status_code in (200, 422, 503), (path, answer.status_code, answer.text[:300])
        return answer

    def look_at_everything(self, most: int = 400) -> None:
        """Follow every link there is, downloads included, but for those that lead out."""
        waiting, known = ["/"], {"/"}
        while waiting and len(known) < most:
            path = waiting.pop(0)
            answer = self.get(path)
            if "html" not in answer.headers.get("Content-Type", ""):
                continue
            for link in map(unescape, _LINK.findall(answer.text)):
                parts = urlsplit(urljoin(self._site.address + path, link))
                place = parts.path + (f"?{parts.query}" if parts.query else "")
                here = parts.netloc == urlsplit(self._site.address).netloc
                if here and place not in known and not place.startswith(("/static", "/logout")):
                    known.add(place)
                    waiting.append(place)


class ArgumentsWatch:
    """Notes the command line of every process of an installation that it sees."""

    def __init__(self, home: Path) -> None:
        self._mark = f"IMGMIG_HOME={home}\0".encode()
        self._stop = threading.Event()
        self.seen: set[bytes] = set()
        self.cores: set[str] = set()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            for folder in Path("/proc").iterdir():
                if not folder.name.isdecimal():
                    continue
                try:
                    if self._mark not in (folder / "environ").read_bytes():
                        continue
                    self.seen.add((folder / "cmdline").read_bytes())
                    limits = (folder / "limits").read_text()
                except OSError:
                    continue
                if b"imgmig" in (folder / "cmdline").read_bytes():
                    self.cores |= set(re.findall(r"Max core file size +(\S+)", limits))


def mail_to_nowhere(password: str) -> dict[str, Any]:
    return {
        "host": "127.0.0.1", "port": free_port(), "security": "none", "sender": "a@b.example",
        "recipients": "c@d.example", "user": "robot", "password": password,
    }  # fmt: skip


PLACES = [
    pytest.param((Kinds(), "text"), id="sqlite"),
    pytest.param(
        (Kinds(database="postgresql", archive="s3"), "json"),
        id="servers",
        marks=[pytest.mark.postgresql, pytest.mark.s3],
    ),
]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_found_anywhere(
    place: tuple[Kinds, str],
    tmp_path: Path,
    stack: ExitStack,
    start_source: Callable[..., DemoSource],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds, log_format = place
    planted = _planted()
    backends = stack.enter_context(opened_backends(kinds, tmp_path / "home"))
    monkeypatch.setattr(fake_admin, "TOKEN", planted["access token"])
    admin = stack.enter_context(FakeAdmin())
    dead_admin = f"http://boss:{quote(planted['admin password'], safe='')}@127.0.0.1:{free_port()}"
    site = Installation(
        tmp_path / "home",
        {
            **backends.settings,
            "PORTAL_SECRET_KEY": planted["secret key of this installation"],
            "PORTAL_METRICS_TOKEN": planted["metrics token"],
            "XXL_JOB_ACCESS_TOKEN": f"{planted['access token']},{planted['next access token']}",
            "XXL_JOB_ADMIN_ADDRESSES": ",".join(
                (_with(admin.address, planted["admin password"]), f"{dead_admin}/xxl-job-admin")
            ),
            "XXL_JOB_DRAIN_SECONDS": "0",
            "PORTAL_LOG_FORMAT": log_format,
            "PORTAL_LOG_LEVEL": "debug",
        },
    )
    stack.callback(site.kill_all)
    proxy = ProxyServer()
    stack.callback(proxy.close)
    proxy.credentials = f"office:{planted['proxy password']}"
    echoing = stack.enter_context(echoing_source(planted["echoed token"]))
    source = start_source("--documents=24", "--months=2", "--seed=7351")
    planted["client secret"] = source.client_secret
    if "PORTAL_S3_SECRET_ACCESS_KEY" in backends.settings:
        planted["s3 secret in use"] = backends.settings["PORTAL_S3_SECRET_ACCESS_KEY"]
    watch = ArgumentsWatch(site.home)
    stack.callback(watch.close)

    made = _add_everything(site, source, planted, proxy=proxy, echoing=echoing, tmp=tmp_path)
    said = [ended.out + ended.err for ended in made]
    up = site.start("up")
    wait_for("ready", lambda: answers(f"{site.address}/readyz"), PATIENCE)
    somebody = Somebody(site, "lee", planted["user password"])
    _set_up_on_pages(somebody, planted)
    numbers = [
        site.create_batch("2024-01-01", "2024-02-29", source=name)
        for name in (CONTROL, "wrong secret", "echo", "closed proxy")
    ]
    job = trigger_body(1, {"wait": False})
    as_admin = {"XXL-JOB-ACCESS-TOKEN": planted["access token"]}
    for token in (planted["access token"], planted["next access token"]):
        headers = {"XXL-JOB-ACCESS-TOKEN": token}
        beat = requests.post(f"{site.address}/xxl-job/beat", headers=headers, timeout=30)
        assert beat.json()["code"] == 200
    answer = requests.post(f"{site.address}/xxl-job/run", json=job, headers=as_admin, timeout=30)
    assert answer.json()["code"] == 200, answer.text
    said.append(site.run("batch", "watch", numbers[0], "--json").out)
    for number in numbers[1:]:
        wait_for(f"a reason at {number}", partial(_is_held, site, number), PATIENCE)
    said += _provoke(site, planted, numbers)
    _provoke_on_pages(site, somebody, planted)
    said += _ask_everything(site, numbers, tmp_path)
    somebody.look_at_everything()
    metrics = requests.get(
        f"{site.address}/metrics",
        headers={"Authorization": f"Bearer {planted['metrics token']}"},
        timeout=30,
    )
    assert "xxl_job_registered" in metrics.text
    wanted = {"logDateTim": job["logDateTime"], "logId": job["logId"], "fromLineNum": 1}
    job_log = requests.post(
        f"{site.address}/xxl-job/log", json=wanted, headers=as_admin, timeout=30
    ).text
    planted |= somebody.cookies | _tokens_in(proxy)
    hunt = Hunt(planted)
    rows = _dump(backends)
    up.stop(signal.SIGTERM, 90)
    watch.close()

    places: dict[str, str | bytes] = {
        "logs": up.err + up.out,
        "metrics": metrics.text,
        "job log": job_log,
        "database rows": rows,
        "arguments": b"\n".join(watch.seen),
        "answers of commands": "\n".join(said),
        **{f"page {path}": page for path, page in somebody.seen.items()},
    }
    findings = [
        (place, name)
        for place, text in places.items()
        for name in hunt.in_bytes(text if isinstance(text, bytes) else text.encode())
    ]
    findings += hunt.in_files(site.home, tmp_path / "exports", tmp_path / "backups")
    outputs = tmp_path / "home-outputs"
    findings += hunt.in_files(outputs)
    assert sorted(set(findings)) == []
    assert watch.cores == {"0"}

    # The search does look: what is no secret is found in every place that tells of the source.
    control = Hunt({"control": CONTROL})
    for where in ("database rows", "answers of commands", "page /sources/", "page /"):
        text = places[where]
        assert control.in_bytes(text if isinstance(text, bytes) else text.encode()), where
    found = {Path(path).parts[len(tmp_path.parts)] for path, _ in control.in_files(tmp_path)}
    assert found >= {"exports", "backups", "home-outputs"}
    assert b"imgmig" in b"\n".join(watch.seen)
    assert proxy.passed, "the source was reached through the proxy"


def _with(address: str, password: str) -> str:
    return address.replace("://", f"://boss:{quote(password, safe='')}@")


def _tokens_in(proxy: ProxyServer) -> dict[str, str]:
    """What the source handed out, as it went over the wire."""
    tokens = {
        token
        for head in proxy.heads
        for token in re.findall(r"(?:access_token=|Bearer )([0-9a-f]{32})", head)
    }
    assert tokens
    return {f"source's token {number}": token for number, token in enumerate(sorted(tokens))}


def _add_everything(
    site: Installation,
    source: DemoSource,
    planted: dict[str, str],
    *,
    proxy: ProxyServer,
    echoing: str,
    tmp: Path,
) -> list[Any]:
    """Sources and people, by commands."""
    profile = tmp / "profile.json"
    profile.write_text('{"token_passing": "query"}')

    def proxied(address: str, name: str) -> str:
        return address.replace("://", f"://office:{quote(planted[name], safe='')}@")

    add = ("source", "add")
    url = ("--url", source.url, "--client-id", source.client_id)
    closed = f"http://127.0.0.1:{free_port()}"
    ended = [
        site.run("db", "upgrade"),
        site.run(
            *(*add, CONTROL, *url, "--profile", str(profile)),
            CLIENT_SECRET=source.client_secret,
            SOURCE_PROXY=proxied(proxy.address, "proxy password"),
        ),
        site.run(*add, "wrong secret", *url, CLIENT_SECRET=planted["wrong client secret"]),
        site.run(
            *(*add, "echo", "--url", echoing, "--client-id", "c"),
            CLIENT_SECRET=planted["echoed client secret"],
        ),
        site.run(
            *(*add, "closed proxy", *url),
            CLIENT_SECRET=source.client_secret,
            SOURCE_PROXY=proxied(closed, "closed proxy password"),
        ),
        site.run(
            *("user", "add", "lee", "--role", "admin"), USER_PASSWORD=planted["user password"]
        ),
    ]
    assert [one.code for one in ended] == [0] * len(ended), ended
    return ended


def _set_up_on_pages(somebody: Somebody, planted: dict[str, str]) -> None:
    """Channels that fail, another person; typed into forms as people do, some of them wrong."""
    somewhere = f"http://127.0.0.1:{free_port()}"
    shared: dict[str, Any] = {
        "language": "zh",
        "events": ["hold", "batch-short", "batch-complete"],
        "portal_url": somewhere,
        "enabled": "y",
    }
    token, robot = planted["webhook token"], planted["robot token"]
    for kind, config in (
        ("webhook", {"url": f"{somewhere}/{token}", "secret": planted["signing secret"]}),
        ("wecom", {"url": f"{somewhere}/send?key={robot}"}),
        (
            "dingtalk",
            {"url": f"{somewhere}/s?access_token={robot}", "secret": planted["robot secret"]},
        ),
        ("mail", mail_to_nowhere(planted["mail password"])),
    ):
        somebody.post("/notices/new", {"name": f"n-{kind}", "kind": kind, **shared, **config})
    for number in range(1, 5):
        somebody.post(f"/notices/{number}/test", {}, form="/notices/")
    password = planted["second password"]
    somebody.post("/users/new", {"name": "wang", "role": "auditor", "password": password})


def _is_held(site: Installation, number: str) -> bool:
    report = site.show(number)
    return bool(report["run_status"] == "ended" or report.get("holds") or report.get("hold"))


def _provoke(site: Installation, planted: dict[str, str], numbers: list[str]) -> list[str]:
    """What goes wrong at the start: addresses with passwords that lead nowhere, wrong values."""
    nowhere = f"127.0.0.1:{free_port()}"
    database, queue = (
        quote(planted[name], safe="") for name in ("database password", "queue password")
    )
    keys = {
        "PORTAL_S3_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "PORTAL_S3_SECRET_ACCESS_KEY": planted["s3 secret"],
    }
    bucket = f"s3://no-bucket/x?endpoint=http://{nowhere}&region=us-east-1"
    commands: list[tuple[tuple[str, ...], dict[str, str]]] = [
        (("batch", "list"), {"PORTAL_DATABASE_URL": f"postgresql://u:{database}@{nowhere}/d"}),
        (("doctor",), {"PORTAL_DATABASE_URL": f"mysql://u:{database}@{nowhere}/d"}),
        (
            ("ready", "--json"),
            {"PORTAL_DATABASE_URL": f"postgresql://u:{database}@{nowhere}/d?x=1"},
        ),
        (("batch", "list"), {"PORTAL_DATABASE_URL": f"oracle://u:{database}@{nowhere}/d"}),
        (("doctor", "--json"), {"PORTAL_QUEUE_URL": f"redis://u:{queue}@{nowhere}/0"}),
        (("ready", "--json"), {"PORTAL_QUEUE_URL": f"postgresql://u:{queue}@{nowhere}/q"}),
        (("doctor", "--json"), {**keys, "PORTAL_ARCHIVE_URL": bucket}),
        (("verify",), {**keys, "PORTAL_ARCHIVE_URL": bucket}),
        (("source", "check", "wrong secret", "--json"), {}),
        (("source", "check", "echo", "--json"), {}),
        (("source", "check", "echo"), {}),
        (("source", "check", "closed proxy"), {}),
        (("preflight", "echo", "--json"), {}),
        (
            ("source", "import-zookeeper", "--servers", nowhere, "--json"),
            {"ZOOKEEPER_AUTH": f"digest:{planted['zookeeper password']}"},
        ),
    ]
    ended = [site.run(*arguments, **settings) for arguments, settings in commands]
    ended.append(site.run("batch", "show", "MB20000101-0001"))
    assert all(one.code != 0 for one in ended[:4]), ended[:4]
    return [one.out + one.err for one in ended]


def _provoke_on_pages(site: Installation, somebody: Somebody, planted: dict[str, str]) -> None:
    """Strangers, wrong passwords, forms that are refused, pages that do not exist."""
    stranger = Somebody(site, "lee", planted["second password"])
    somebody.seen |= {f"stranger {path}": page for path, page in stranger.seen.items()}
    password = planted["user password"]
    somebody.post(
        "/account/password", {"old": password, "new": "x", "again": "y"}, form="/account/"
    )
    somebody.post(
        "/sources/new",
        {"name": "", "base_url": "no address", "client_id": "c",
         "client_secret": planted["wrong client secret"],
         "proxy_login": f"office:{planted['proxy password']}"},
    )  # fmt: skip
    somebody.get("/no/such/page")
    requests.post(
        f"{site.address}/xxl-job/run",
        data=b"no json",
        headers={"XXL-JOB-ACCESS-TOKEN": planted["access token"]},
        timeout=30,
    )


def _ask_everything(site: Installation, numbers: list[str], tmp: Path) -> list[str]:
    """Every command that tells, every export, a backup."""
    exports = tmp / "exports"
    exports.mkdir()
    asked: list[tuple[str, ...]] = [
        *(("batch", "show", number, "--json") for number in numbers),
        *(
            ("reconcile", "--source", name, "--from", "2024-01", "--to", "2024-02", "--json")
            for name in (CONTROL, "echo")
        ),
        ("backup", str(tmp / "backups"), "--json"),
    ]
    for words in (
        *("doctor", "ready", "source list", "user list", "batch list", "month list"),
        *("audit verify", "audit anchor", "verify"),
    ):
        asked += [tuple(words.split()), (*words.split(), "--json")]
    for kind in KINDS:
        for form in FORMATS:
            to = str(exports / f"{kind}.{form}")
            run = ("--filter", "run=1") if kind.startswith("reconciliation") else ()
            asked.append(("export", kind, "--format", form, "--output", to, "--json", *run))
    ended = [site.run(*arguments) for arguments in asked]
    assert len(list(exports.iterdir())) == len(KINDS) * len(FORMATS), [one.err for one in ended]
    assert list((tmp / "backups").glob("2*Z"))
    return [one.out + one.err for one in ended]


def _dump(backends: Backends) -> str:
    """All rows of all tables."""
    with backends.ledger.ledger.read() as session:
        names = inspect(session.connection()).get_table_names()
        assert {"data_sources", "audit_events", "executor_registrations"} <= set(names)
    return "\n".join(
        f"{name} {row!r}"
        for name in sorted(names)
        for row in backends.ledger.query(f"SELECT * FROM {name}")
    )
