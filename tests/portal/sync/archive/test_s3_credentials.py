"""Where keys are found when the settings have none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from portal.archive_place import S3Keys
from portal.errors import SyncError
from portal.sync.archive.s3.credentials import CredentialChain, Credentials

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOTHING = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}


@contextmanager
def metadata(answers: Mapping[tuple[str, str], str], needed: str = "") -> Iterator[str]:
    """A server of AWS metadata; ``needed`` is a header's value without which it says 401."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = answers.get((str(self.command), self.path))
            allowed = self.command == "PUT" or not needed or needed in self.headers.values()
            self.send_response_only(404 if body is None else 200 if allowed else 401)
            self.end_headers()
            self.wfile.write((body or "").encode())

        do_PUT = do_POST = do_GET  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def chain(environ: Mapping[str, str], keys: S3Keys | None = None) -> CredentialChain:
    return CredentialChain(keys, region="eu-west-1", environ=environ, clock=lambda: NOW)


def shown(credentials: Credentials) -> tuple[str, str, str]:
    return (credentials.access_key, credentials.secret_key, credentials.token)


DOCUMENT = json.dumps(
    {
        "AccessKeyId": "A",
        "SecretAccessKey": "S",
        "Token": "T",
        "Expiration": "2026-11-22T18:00:00Z",
    }
)


def test_those_of_the_settings_come_first() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    assert shown(chain(environ, S3Keys("a", "b")).current()) == ("a", "b", "")


def test_the_environment() -> None:
    environ = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_SESSION_TOKEN": "z"}
    assert shown(chain(environ).current()) == ("x", "y", "z")


def test_the_shared_file_with_its_profiles(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = d\naws_secret_access_key = e%f\n"
        "[site]\naws_access_key_id = s\naws_secret_access_key = t\naws_session_token = u\n"
    )
    home = NOTHING | {"HOME": str(tmp_path)}
    assert shown(chain(home).current()) == ("d", "e%f", "")
    assert shown(chain(home | {"AWS_PROFILE": "site"}).current()) == ("s", "t", "u")


def test_the_containers_endpoint(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("let me in\n")
    with metadata({("GET", "/keys"): DOCUMENT}, needed="let me in") as url:
        environ = NOTHING | {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/keys",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        }
        assert shown(chain(environ).current()) == ("A", "S", "T")


def test_the_instances_metadata() -> None:
    place = "/latest/meta-data/iam/security-credentials/"
    answers = {
        ("PUT", "/latest/api/token"): "session",
        ("GET", place): "the-role\n",
        ("GET", f"{place}the-role"): DOCUMENT,
    }
    with metadata(answers, needed="session") as url:
        environ = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": url, "HOME": "/nonexistent"}
        assert shown(chain(environ).current()) == ("A", "S", "T")


def test_a_web_identity(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("jwt")
    xml = (
        '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>A</AccessKeyId>"
        "<SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>"
        "<Expiration>2026-11-22T18:00:00Z</Expiration></Credentials>"
        "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
    with metadata({("POST", "/"): xml}) as url:
        environ = NOTHING | {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
            "AWS_ENDPOINT_URL_STS": url,
        }
        assert shown(chain(environ).current()) == ("A", "S", "T")


def test_keys_are_kept_and_renewed_before_they_run_out(tmp_path: Path) -> None:
    asked = []
    now = NOW

    def document() -> str:
        asked.append(1)
        ends = now + timedelta(hours=1)
        return json.dumps(json.loads(DOCUMENT) | {"Expiration": ends.isoformat()})

    class Answers(dict[tuple[str, str], str]):
        def get(self, key: Any, default: Any = None) -> Any:
            return document()

    with metadata(Answers()) as url:
        environ = NOTHING | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/keys"}
        found = CredentialChain(None, region="r", environ=environ, clock=lambda: now)
        first = found.current()
        assert found.current() is first
        now += timedelta(minutes=56)
        assert found.current() is not first
        assert len(asked) == 2
        # Refused by the server all the same: fresh ones are asked for, once.
        assert found.renew(found.current())
        found.current()
        assert len(asked) == 3


@pytest.mark.parametrize("answer", ["", "no json", "{}"])
def test_what_cannot_be_read_is_an_error_without_its_content(answer: str) -> None:
    with metadata({("GET", "/keys"): answer}) as url:
        environ = NOTHING | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/keys"}
        with pytest.raises(SyncError) as error:
            chain(environ).current()
    assert error.value.code == "ARCHIVE_CREDENTIALS"


def test_none_at_all_is_said() -> None:
    with pytest.raises(SyncError) as error:
        chain(NOTHING).current()
    assert error.value.params == {"detail": "no keys are set"}
