"""Codes, names and sentences of the protocol, and how foreign text is made fit for it."""

from __future__ import annotations

import html
import re
from enum import StrEnum
from typing import Final

OK: Final = 200
FAIL: Final = 500
TIMEOUT: Final = 502

TOKEN_HEADER: Final = "XXL-JOB-ACCESS-TOKEN"  # noqa: S105 (a header's name)
OLD_TOKEN_HEADER: Final = "XXL-RPC-ACCESS-TOKEN"  # noqa: S105 (a header's name)
APP_NAME_HEADER: Final = "XXL-JOB-APPNAME"

DISCARD_LATER: Final = "DISCARD_LATER"
COVER_EARLY: Final = "COVER_EARLY"

BEAN: Final = "BEAN"
# The titles Java shows for the script types; none of them is ever executed here.
GLUE_TITLES: Final = {
    "GLUE_GROOVY": "GLUE(Java)",
    "GLUE_SHELL": "GLUE(Shell)",
    "GLUE_PYTHON": "GLUE(Python)",
    "GLUE_PYTHON2": "GLUE(Python2)",
    "GLUE_NODEJS": "GLUE(Nodejs)",
    "GLUE_POWERSHELL": "GLUE(PowerShell)",
    "GLUE_PHP": "GLUE(PHP)",
}

SUCCESS: Final = "Success"
WRONG_METHOD: Final = "invalid request, HttpMethod not support."
WRONG_TOKEN: Final = "The access token is wrong."  # noqa: S105 (a sentence)
# The two refusals of 3.5, where token and app name belong together.
EMPTY_CREDENTIALS: Final = "invalid request, accessToken or appname is empty."
WRONG_CREDENTIALS: Final = "invalid request, accessToken or appname invalid."
# What xxl-rpc, which 2.0 and 2.1 speak, says to a call that it does not make. Java repeats the
# token it was given, which the admin then shows in its pages; the token stays out of it here.
WRONG_RPC_TOKEN: Final = "The access token[***] is wrong."  # noqa: S105 (a sentence)
TOO_OLD: Final = "The timestamp difference between admin and executor exceeds the limit."
INTERNAL_ERROR: Final = "request error:internal error, its cause is in the executor's log"
FOREIGN_NETWORK: Final = "invalid request, the caller's network is not allowed."
DISCARDED: Final = "block strategy effect：Discard Later"
COVERED: Final = "block strategy effect：Cover Early"
HANDLER_CHANGED: Final = "change jobhandler or glue type, and terminate the old job thread."
BUSY: Final = "job thread is running or has trigger queue."
ALREADY_KILLED: Final = "job thread already killed."
KILLED: Final = "scheduling center kill job."
TIMED_OUT: Final = "job execute timeout "  # Java's text ends in a blank
RESTARTED: Final = "executor restarted"
NO_LOG: Final = "readLog fail, logFile not exists"

MESSAGE_LIMIT: Final = 15_000
"""Characters of a result's message that every admin keeps (its own cut, facts of 2.3 to 3.4)."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Controls but the tab, and the marks that turn the direction of writing.
_UNSEEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_TAG_START = re.compile(r"<(?=[A-Za-z/!?])")
_CUT_MARK = "..."


def unknown_word(uri: str) -> str:
    """The answer to a path that is none of the calls."""
    return f"invalid request, uri-mapping({escape(uri)}) not found."


def unknown_service(name: str) -> str:
    """The answer to a call of a service that is not an executor's."""
    return f"The serviceKey[{_shown(name)}] not found."


def unknown_method(service: str, name: str) -> str:
    """The answer to a call of a method, or with parameters, that the service does not have."""
    return f"java.lang.NoSuchMethodException: {service}.{_shown(name)}"


def unknown_handler(name: str | None) -> str:
    """The answer to a trigger whose handler nobody registered."""
    return f"job handler [{_shown(name)}] not found."


def refused_glue(glue_type: str | None) -> str:
    """The answer to a trigger that is not a BEAN job; Java's words for either kind."""
    title = GLUE_TITLES.get(glue_type or "")
    if title is not None:
        return f"fail, current glue type [{title}] not supported."
    return f"glueType[{_shown(glue_type)}] is not valid."


def stopped(reason: str, *, was_queued: bool, until_210: bool = False) -> str:
    """The result of a run that was stopped from outside: the reason, and where it stood.

    :param until_210: in the words of versions up to 2.1.0
    """
    where = "job not executed, in the job queue, killed." if was_queued else "job running, killed"
    if until_210 and not was_queued:
        where = "job running，killed"
    return f"{reason} [{where}]"


def queue_full(job_id: int, limit: int) -> str:
    """The answer to a trigger of a job that has too many runs waiting; Java knows no bound."""
    return f"job queue is full: {limit} runs of job {job_id} are waiting"


def bad_request(reason: str) -> str:
    """The answer to a body that cannot be read; Java adds a stack trace here, we never do."""
    return f"request error:{reason}"


def storable(text: str) -> str:
    """The text without NUL and lone surrogates, which some databases cannot hold."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def visible(line: str) -> str:
    """A line in which nothing changes how it, or another one, looks to a reader: what would is
    written as an escape, such as ``\\u001b``."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def escape(text: str) -> str:
    """The text as it may stand in an admin's page, which shows messages as raw HTML."""
    return html.escape(storable(text))


def message(text: str) -> str:
    """A result's message: escaped, at most :data:`MESSAGE_LIMIT` characters, no split entity."""
    escaped = escape(text)
    if len(escaped) <= MESSAGE_LIMIT:
        return escaped
    cut = escaped[: MESSAGE_LIMIT - len(_CUT_MARK)]
    ampersand = cut.rfind("&")
    if ampersand > cut.rfind(";"):
        cut = cut[:ampersand]
    return cut + _CUT_MARK


class LogMarkup(StrEnum):
    """What becomes of markup in job logs, which depends on what the admin's page does with it."""

    LOOKALIKE = "lookalike"
    """What looks like a tag gets a look-alike of ``<``: safe and readable in every version."""
    ESCAPE = "escape"
    """Entities, for admins up to 2.4.0, which show log text as HTML."""
    PLAIN = "plain"
    """As it is, for admins from 2.4.1 on, which escape it themselves."""


def log_text(text: str, markup: LogMarkup) -> str:
    """A log line as it goes to an admin."""
    if "<" not in text and markup is not LogMarkup.ESCAPE:
        return text
    match markup:
        case LogMarkup.LOOKALIKE:
            return _TAG_START.sub("\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", text)
        case LogMarkup.ESCAPE:
            return html.escape(text, quote=False)
        case LogMarkup.PLAIN:
            return text


def _shown(name: str | None) -> str:
    return "null" if name is None else escape(name[:255])
