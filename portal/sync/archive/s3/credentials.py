"""The keys a request is signed with: those of the settings, else the usual AWS places."""

from __future__ import annotations

import configparser
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import requests

from portal.archive_place import S3Keys
from portal.errors import SyncError

_CONTAINER = "http://169.254.170.2"
_INSTANCE = "http://169.254.169.254"
_ROLE_PATH = "/latest/meta-data/iam/security-credentials/"
_SECONDS = 2.0
_STS_SECONDS = 10.0
# Keys that run out are renewed so long before they do.
_EARLY = timedelta(minutes=5)
_DETAIL_LENGTH = 160


@dataclass(frozen=True, slots=True)
class Credentials:
    """Keys, maybe of a session that ends; nothing of it is ever shown."""

    access_key: str
    secret_key: str
    token: str = ""
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return "Credentials(***)"


class CredentialChain:
    """Finds the keys and keeps them until shortly before they run out; for any thread.

    In this order: the settings, ``AWS_ACCESS_KEY_ID``, a web identity, the shared credentials
    file, the container's endpoint, the instance's metadata service (version 2).
    """

    def __init__(
        self,
        keys: S3Keys | None,
        *,
        region: str,
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keys = keys
        self._region = region
        self._environ = environ
        self._clock = clock
        self._lock = threading.Lock()
        self._found: Credentials | None = None

    def current(self) -> Credentials:
        """The keys to sign with now.

        :raises SyncError: ARCHIVE_CREDENTIALS when none are found
        """
        with self._lock:
            found = self._found
            if found is None or (found.expires_at and found.expires_at - _EARLY < self._clock()):
                self._found = self._find()
            assert self._found is not None  # noqa: S101 - just found
            return self._found

    def renew(self, refused: Credentials) -> bool:
        """Forget keys that the server refused; whether other ones may be found."""
        with self._lock:
            if self._found is refused and refused.expires_at is not None:
                self._found = None
            return self._found is not refused

    def _find(self) -> Credentials:
        if self._keys is not None:
            return Credentials(self._keys.access_key, self._keys.secret_key)
        try:
            found = next(self._sources(), None)
        except (requests.RequestException, OSError, ValueError, KeyError) as error:
            # The class alone: a message may hold an address with a token, or an answer.
            detail = f"{type(error).__name__}"
            raise SyncError("ARCHIVE_CREDENTIALS", detail=detail[:_DETAIL_LENGTH]) from None
        if found is None:
            raise SyncError("ARCHIVE_CREDENTIALS", detail="no keys are set")
        return found

    def _sources(self) -> Iterator[Credentials]:
        env = self._environ
        if env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
            yield Credentials(
                env["AWS_ACCESS_KEY_ID"],
                env["AWS_SECRET_ACCESS_KEY"],
                env.get("AWS_SESSION_TOKEN", ""),
            )
        if env.get("AWS_WEB_IDENTITY_TOKEN_FILE") and env.get("AWS_ROLE_ARN"):
            yield self._of_web_identity()
        yield from self._of_file()
        full, relative = (
            env.get(f"AWS_CONTAINER_CREDENTIALS_{kind}_URI") for kind in ("FULL", "RELATIVE")
        )
        if full or relative:
            yield self._of_container(full or f"{_CONTAINER}{relative}")
        if env.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true":
            yield from self._of_instance()

    def _of_file(self) -> Iterator[Credentials]:
        usual = Path(self._environ.get("HOME", "~")).expanduser() / ".aws" / "credentials"
        path = Path(self._environ.get("AWS_SHARED_CREDENTIALS_FILE") or usual)
        parser = configparser.RawConfigParser()
        parser.read(path)
        profile = self._environ.get("AWS_PROFILE") or "default"
        if parser.has_option(profile, "aws_access_key_id"):
            section = parser[profile]
            yield Credentials(
                section["aws_access_key_id"],
                section["aws_secret_access_key"],
                section.get("aws_session_token", ""),
            )

    def _of_web_identity(self) -> Credentials:
        env = self._environ
        endpoint = env.get("AWS_ENDPOINT_URL_STS") or f"https://sts.{self._region}.amazonaws.com"
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": env["AWS_ROLE_ARN"],
            "RoleSessionName": env.get("AWS_ROLE_SESSION_NAME") or "imgmig",
            "WebIdentityToken": Path(env["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text().strip(),
        }
        with _session() as session:
            answer = session.post(endpoint, data=form, timeout=_STS_SECONDS)
        answer.raise_for_status()
        try:
            found = ElementTree.fromstring(answer.content).find(".//{*}Credentials")  # noqa: S314
        except ElementTree.ParseError as error:
            raise ValueError("not XML") from error
        words = {child.tag.rpartition("}")[2]: child.text or "" for child in found or ()}
        return Credentials(
            words["AccessKeyId"],
            words["SecretAccessKey"],
            words["SessionToken"],
            _moment(words["Expiration"]),
        )

    def _of_container(self, url: str) -> Credentials:
        env = self._environ
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(url)
        token = env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        if file := env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            token = Path(file).read_text().strip()
        with _session() as session:
            headers = {"Authorization": token} if token else {}
            answer = session.get(url, headers=headers, timeout=_SECONDS)
        answer.raise_for_status()
        return _of_document(answer.json())

    def _of_instance(self) -> Iterator[Credentials]:
        base = self._environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", _INSTANCE).rstrip("/")
        with _session() as session:
            try:
                token = session.put(
                    f"{base}/latest/api/token",
                    headers={"X-aws-ec2-metadata-token-ttl-seconds": "300"},
                    timeout=_SECONDS,
                )
            except requests.RequestException:
                return  # no cloud's instance
            if not token.ok:
                return
            headers = {"X-aws-ec2-metadata-token": token.text}
            roles = session.get(f"{base}{_ROLE_PATH}", headers=headers, timeout=_SECONDS)
            if not roles.ok or not roles.text.strip():
                return
            role = roles.text.split()[0]
            answer = session.get(f"{base}{_ROLE_PATH}{role}", headers=headers, timeout=_SECONDS)
            answer.raise_for_status()
            yield _of_document(answer.json())


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # no proxy stands before these addresses, and no .netrc is meant
    session.max_redirects = 0  # what the request carries is for nobody else
    return session


def _of_document(words: Mapping[str, str]) -> Credentials:
    return Credentials(
        words["AccessKeyId"],
        words["SecretAccessKey"],
        words.get("Token", ""),
        _moment(words["Expiration"]),
    )


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
