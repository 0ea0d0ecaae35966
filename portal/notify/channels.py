"""The kinds of channels: what each is set to, and how a message is delivered by it."""

from __future__ import annotations

import base64
import hmac
import json
import re
import smtplib
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formataddr, make_msgid, parseaddr
from typing import Any, Protocol
from urllib.parse import quote_plus, urlsplit

import requests
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from portal.errors import SyncError
from portal.notify.kinds import ChannelKind
from portal.notify.message import Message
from portal.outbound import http
from portal.outbound.head_in_time import ANSWER_TIMEOUTS
from portal.outbound.rule import rule

_SECONDS = 10.0
_LONGEST_ANSWER = 2000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Channel(Protocol):
    """Where a message goes."""

    def deliver(self, message: Message, *, now: float) -> None:
        """Deliver it.

        :param now: seconds since 1970
        :raises SyncError: a ``NOTICE_`` code that says why it was not taken
        """

    @property
    def host(self) -> str:
        """The host that is connected to."""

    @property
    def shown(self) -> str:
        """What may be shown of the address: nothing that lets anybody else send by it."""


class _Address:
    """What all channels with an address have."""

    __slots__ = ()
    url: str

    @property
    def host(self) -> str:
        """See :class:`Channel`."""
        return urlsplit(self.url).hostname or ""

    @property
    def shown(self) -> str:
        """See :class:`Channel`."""
        return _host_of(self.url)


@dataclass(frozen=True, slots=True)
class Webhook(_Address):
    """A POST of JSON, signed when a secret is set.

    ``X-Imgmig-Signature`` is ``sha256=`` and the hexadecimal HMAC-SHA256 of the timestamp in
    ``X-Imgmig-Timestamp``, a full stop, and the body, with the secret as key.
    """

    url: str
    secret: str = field(default="", repr=False)

    def deliver(self, message: Message, *, now: float) -> None:
        """See :class:`Channel`; any answer of 2xx will do."""
        body = json.dumps(
            {
                "id": message.notice_id,
                "event": message.event,
                "at": message.at.isoformat(),
                "title": message.title,
                "text": message.text(),
                "url": message.url,
                **message.data,
            },
            ensure_ascii=False,
        ).encode()
        stamp = str(int(now))
        headers = {"Content-Type": "application/json", "X-Imgmig-Timestamp": stamp}
        if self.secret:
            signed = hmac.digest(self.secret.encode(), f"{stamp}.".encode() + body, "sha256")
            headers["X-Imgmig-Signature"] = f"sha256={signed.hex()}"
        _post(self.url, body, headers)


@dataclass(frozen=True, slots=True)
class WecomRobot(_Address):
    """A robot of a 企业微信 group; the key is in its address."""

    url: str = field(repr=False)

    def deliver(self, message: Message, *, now: float) -> None:
        """See :class:`Channel`."""
        content = _cut(message.markdown(), 4000)  # the robot takes 4,096 bytes
        _tell_robot(self.url, {"msgtype": "markdown", "markdown": {"content": content}})


@dataclass(frozen=True, slots=True)
class DingtalkRobot(_Address):
    """A robot of a 钉钉 group; with 加签 it wants each call signed."""

    url: str = field(repr=False)
    secret: str = field(default="", repr=False)

    def deliver(self, message: Message, *, now: float) -> None:
        """See :class:`Channel`."""
        url = self.url
        if self.secret:
            stamp = str(int(now * 1000))
            signed = hmac.digest(self.secret.encode(), f"{stamp}\n{self.secret}".encode(), "sha256")
            sign = quote_plus(base64.b64encode(signed))
            url += f"{'&' if urlsplit(url).query else '?'}timestamp={stamp}&sign={sign}"
        text = _cut(message.markdown(), 18_000)  # the robot takes 20,000 bytes
        markdown = {"title": message.title, "text": text}
        _tell_robot(url, {"msgtype": "markdown", "markdown": markdown})


class _MailServer(smtplib.SMTP):
    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return rule.connect(host, port, timeout)


# In this order: what adds TLS asks the other for the connection.
class _TlsMailServer(smtplib.SMTP_SSL, _MailServer):
    pass


@dataclass(frozen=True, slots=True)
class Mail:
    """Mail by SMTP.

    :ivar security: ``tls`` (from the first byte), ``starttls`` or ``none``
    """

    host: str
    port: int
    security: str
    sender: str
    recipients: tuple[str, ...]
    user: str = ""
    password: str = field(default="", repr=False)

    def deliver(self, message: Message, *, now: float) -> None:
        """See :class:`Channel`; refused as a whole when any recipient is refused."""
        mail = EmailMessage()
        mail["Subject"] = _CONTROL.sub(" ", message.title)
        mail["From"] = formataddr(("影像迁移门户", self.sender), "utf-8")
        mail["To"] = ", ".join(self.recipients)
        mail["Message-ID"] = make_msgid(f"notice-{message.notice_id}", domain="imgmig.invalid")
        mail.set_content(message.text())
        try:
            with self._connected() as server:
                if self.user:
                    server.login(self.user, self.password)
                refused = server.send_message(mail)
        except smtplib.SMTPResponseException as error:
            said = error.smtp_error
            words = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
            raise _refused(f"SMTP {error.smtp_code} {words}") from error
        except smtplib.SMTPRecipientsRefused as error:
            raise _refused(", ".join(error.recipients)) from error
        except (smtplib.SMTPException, UnicodeError) as error:
            raise _refused(type(error).__name__) from error
        except OSError as error:
            raise _unreachable(self.shown, error) from error
        if refused:
            raise _refused(", ".join(refused))

    def _connected(self) -> smtplib.SMTP:
        if self.security == "tls":
            return _TlsMailServer(
                self.host, self.port, timeout=_SECONDS, context=ssl.create_default_context()
            )
        server = _MailServer(self.host, self.port, timeout=_SECONDS)
        if self.security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server

    @property
    def shown(self) -> str:
        """See :class:`Channel`."""
        return f"{', '.join(self.recipients)} ({self.host}:{self.port})"


def open_channel(kind: ChannelKind, config: Mapping[str, Any]) -> Channel:
    """A channel from what it is set to.

    :raises ValueError: naming what makes no sense
    """
    if kind is ChannelKind.MAIL:
        return _mail(config)
    url = str(config.get("url", "")).strip()
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or _CONTROL.search(url):
        raise ValueError("地址须为 http:// 或 https:// an address begins with http:// or https://")
    secret = str(config.get("secret", ""))
    if kind is ChannelKind.WEBHOOK:
        return Webhook(url, secret)
    return WecomRobot(url) if kind is ChannelKind.WECOM else DingtalkRobot(url, secret)


def _mail(config: Mapping[str, Any]) -> Mail:
    host, sender = str(config.get("host", "")).strip(), str(config.get("sender", "")).strip()
    recipients = tuple(re.split(r"[\s,;，；]+", str(config.get("recipients", "")).strip()))
    if not host or _CONTROL.search(host) or " " in host:
        raise ValueError("请填写 SMTP 服务器 name the SMTP server")
    port = int(config.get("port") or 0)
    if not 0 < port < 65536:
        raise ValueError("端口须为 1–65535 a port is 1 to 65535")
    for address in (sender, *recipients):
        if parseaddr(address)[1] != address or not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
            raise ValueError(f"不是邮件地址 not a mail address: {address[:60]}")
    security = str(config.get("security", ""))
    if security not in ("tls", "starttls", "none"):
        raise ValueError("加密方式须为 tls、starttls 或 none")
    user, password = str(config.get("user", "")), str(config.get("password", ""))
    return Mail(host, port, security, sender, recipients, user, password)


def _tell_robot(url: str, body: Mapping[str, Any]) -> None:
    """Robots answer 200 to everything; what they mean stands in ``errcode``."""
    told = json.dumps(body, ensure_ascii=False).encode()
    answer = _post(url, told, {"Content-Type": "application/json"})
    try:
        said = json.loads(answer)
        code, words = said["errcode"], str(said.get("errmsg", ""))
    except (ValueError, TypeError, KeyError) as error:
        raise _refused(answer.decode("utf-8", "replace")[:100]) from error
    if code != 0:
        raise _refused(f"{code} {words}")


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """What was answered, as far as it matters; nothing is redirected."""
    try:
        with http.session() as session:
            # Robots are on the internet, which many a host only reaches by the proxy it is told of.
            session.proxies.update(get_environ_proxies(url))
            with session.post(
                url,
                data=body,
                headers=dict(headers),
                timeout=_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as answer:
                said = _read(answer)
    except (requests.RequestException, HTTPError, OSError) as error:
        raise _unreachable(_host_of(url), error) from error
    if not 200 <= answer.status_code < 300:
        raise _refused(f"HTTP {answer.status_code}")
    return said


def _read(answer: requests.Response) -> bytes:
    """As much of it as matters; one that drips would else keep the clerk for hours."""
    until = time.monotonic() + _SECONDS * ANSWER_TIMEOUTS
    said = b""
    # read1 returns what has come, so that the time is looked at between slow pieces too.
    while piece := answer.raw.read1(_LONGEST_ANSWER - len(said), decode_content=True):
        said += piece
        if len(said) >= _LONGEST_ANSWER:
            break
        if time.monotonic() > until:
            raise TimeoutError("the answer did not come in time")
    return said


def _host_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"


def _cut(text: str, most: int) -> str:
    """So many bytes of it at most, no character torn."""
    return text.encode()[:most].decode("utf-8", "ignore")


def _unreachable(where: str, error: Exception) -> SyncError:
    forbidden = http.forbidden_in(error)
    if forbidden is not None:
        return SyncError("ADDRESS_FORBIDDEN", host=forbidden.host, address=forbidden.address)
    return SyncError("NOTICE_UNREACHABLE", where=where, detail=type(error).__name__)


def _refused(detail: str) -> SyncError:
    return SyncError("NOTICE_REFUSED", detail=_CONTROL.sub(" ", detail)[:200])
