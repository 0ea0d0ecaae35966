"""Secrets do not get into logs: what we know to be one, and what looks like one.

Whoever reads or opens a secret has it learned here: settings, stored credentials, tokens a source
gave us. The patterns are for what nobody learned: headers, addresses with a password, signatures.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN: Final = "***"
# Shorter ones would blot out ordinary words; a setting that short is no secret.
_SHORTEST = 5
# A process that renews its token every hour remembers a week of them; all are looked for in each
# line, so there must not be many more.
_MOST = 200

_TELLING = (
    r"secret|passwd|password|pwd|token|api[-_]?key|access[-_]?key|private[-_]?key|signature|"
    r"credential|session[-_]?id|cookie|authorization"
)
_SECRET_NAME = re.compile(_TELLING, re.IGNORECASE)
# Of a program's settings; PWD is a folder.
_SECRET_SETTING = re.compile(r"SECRET|PASSWORD|PASSWD|TOKEN|(?:ACCESS|API|PRIVATE)_KEY")
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", re.DOTALL),
        HIDDEN,
    ),
    # An address with credentials before its host.
    (re.compile(r"\b([a-z][a-z0-9+.-]{0,40}://)[^\s/?#\"'<>]*@", re.IGNORECASE), rf"\1{HIDDEN}@"),
    # Headers whose whole value is one, blanks and all.
    (
        re.compile(
            r"\b((?:proxy-)?authorization|(?:set-)?cookie)(\"|')?\s*[:=]\s*(\"|')?[^\"'\r\n]+",
            re.IGNORECASE,
        ),
        rf"\1: {HIDDEN}",
    ),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # Signed addresses.
    (
        re.compile(r"([?&](?:sign|sig|key|code|x-amz-[a-z-]+)=)[^&\s\"'<>]+", re.IGNORECASE),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), HIDDEN),
)
# Begun where a word begins, and its end never taken back: a line may be one word of a source's.
_NAMED = re.compile(
    rf"(?<![\w.-])(?=[\w.-]*?(?:{_TELLING}))([\w.-]++)"
    r"(\\?[\"']?\s*[:=]\s*\\?[\"']?)([^\s\"'&,;)}\]\\]+)",
    re.IGNORECASE,
)


class Redactor:
    """Knows secrets, and takes them out of texts; any number of threads may use one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, *secrets: str) -> None:
        """Remember secrets; the oldest are forgotten behind the two hundredth."""
        for secret in secrets:
            if len(secret) < _SHORTEST:
                continue
            with self._lock:
                is_new = secret not in self._known
                self._known[secret] = None
                self._known.move_to_end(secret)
                while len(self._known) > _MOST:
                    self._known.popitem(last=False)
                if is_new:
                    self._pattern = None

    def learn_text(self, text: str) -> None:
        """Remember what is secret in a stored text: all of it, or of an address its credentials,
        or of a JSON object the values whose names say so.
        """
        try:
            value = json.loads(text) if text.startswith("{") else None
        except ValueError:
            value = None
        if isinstance(value, Mapping):
            self._learn_values(value)
        elif "://" in text:
            self.learn_address(text)
        else:
            self.learn(text)

    def learn_address(self, address: str) -> None:
        """Remember the password of an address, as it is written and as it is meant."""
        try:
            password = urlsplit(address).password
        except ValueError:
            return
        if password:
            self.learn(password, unquote(password))

    def learn_environment(self, environ: Mapping[str, str]) -> None:
        """Remember the secrets among a program's settings, by their names and their form."""
        for name, value in environ.items():
            if "://" in value:
                self.learn_address(value)
            elif _SECRET_SETTING.search(name) and not name.endswith("_FILE"):
                self.learn(*(word.strip() for word in (value, *value.split(","))))

    def redact(self, text: str) -> str:
        """The text without them."""
        text = self._known_ones().sub(HIDDEN, text)
        for known, instead in _PATTERNS:
            text = known.sub(instead, text)
        return _NAMED.sub(_hide_value, text)

    def _known_ones(self) -> re.Pattern[str]:
        pattern = self._pattern
        if pattern is None:
            with self._lock:
                pattern = self._pattern = _any_of(self._known)
        return pattern

    def _learn_values(self, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            if isinstance(value, Mapping):
                self._learn_values(value)
            elif isinstance(value, str) and _SECRET_NAME.search(name):
                self.learn(value)
            elif isinstance(value, str) and "://" in value:
                # The address of a robot is its key.
                self.learn_address(value)
                if name == "url":
                    self.learn(value)


def _hide_value(match: re.Match[str]) -> str:
    name, separator, _value = match.groups()
    # ``TOKEN_REFUSED: the source says …`` is a code and its reason.
    if name.isupper() and "-" not in name and separator == ": ":
        return match.group()
    return f"{name}{separator}{HIDDEN}"


def _any_of(secrets: Iterable[str]) -> re.Pattern[str]:
    forms: set[str] = set()
    for secret in secrets:
        forms |= {
            secret,
            # Of a setting that is no UTF-8, the system hands over halves of characters.
            quote(secret, safe="", errors="backslashreplace"),
            quote(secret, errors="backslashreplace"),
            quote_plus(secret, errors="backslashreplace"),
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
            repr(secret)[1:-1],
        }
    if not forms:
        return re.compile(r"(?!)")
    # The longest first: one may begin another.
    return re.compile("|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))


#: This process's.
redactor = Redactor()
