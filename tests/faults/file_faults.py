"""The faults of single files: what the source does, and how the document must end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.sync.transfer.retry import MAX_ATTEMPTS
from tests.faults.behaviours import (
    SCRIPT_PAGE,
    after_interim,
    bare,
    changed,
    cut,
    cut_chunks,
    cut_in_head,
    drip_body,
    flipped,
    garbage,
    gzipped,
    hang_up,
    html,
    instead,
    later,
    redirect,
    refusal,
    reset_at_once,
    stall_before_head,
    stall_in_body,
    status,
    surplus,
    unframed,
    zero_padded,
)
from tests.faults.fault_server import Behaviour, Exchange
from tests.faults.tenant import picture, png

UNDECLARED = {"sha256": None, "md5": None, "fileSize": None, "pageCount": None}


@dataclass(frozen=True)
class Fault:
    """What happens to the second file of a document, and what must become of it.

    :param tries: what its first fetches meet; the next one is good, unless ``ever`` is set
    :param code: why the document fails; None when it must be synced
    :param attempts: how many the ledger counts, None where that is the engine's own affair
    :param fetches: least and most requests for the file; the attempts, unless given
    :param file: what the listing says otherwise about the file
    """

    name: str
    tries: Sequence[Behaviour] = ()
    ever: Behaviour | None = None
    code: str | None = None
    attempts: int | None = 1
    fetches: tuple[int, int] | None = None
    file: dict[str, Any] = field(default_factory=dict)

    @property
    def bounds(self) -> tuple[int, int]:
        """Least and most requests for the file."""
        attempts = self.attempts or 1
        return self.fetches or (attempts, attempts)


def at_once(name: str, behaviour: Behaviour, code: str, **more: Any) -> Fault:
    """A failure that trying again cannot mend: one fetch, and the document has failed."""
    return Fault(name, ever=behaviour, code=code, **more)


def mended(name: str, *tries: Behaviour, **more: Any) -> Fault:
    """A failure that passes: tried again until it is good."""
    return Fault(name, tries, attempts=len(tries) + 1, **more)


def lasting(name: str, behaviour: Behaviour, code: str, **more: Any) -> Fault:
    """A failure that may pass and never does: every attempt is used, then it has failed."""
    return Fault(name, ever=behaviour, code=code, attempts=MAX_ATTEMPTS, **more)


def untouched(name: str, code: str, **file: Any) -> Fault:
    """A failure that shows before anything is fetched."""
    return Fault(name, code=code, fetches=(0, 0), file=file)


ERROR = status("503 Service Unavailable")
BUSY = status("503 Service Unavailable", "Retry-After: 3", body=b"busy")
LONG_COMMENT = b"<!-- " + b"gateway " * 120 + b"-->"
LATE_ERRCODE = b'{"data": null, "description": "' + b"x" * 900 + b'", "errcode": "5001"}'
SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nintruders"


def file_faults(listed: str, unlisted: str, loop: str) -> Iterator[Fault]:
    """All of them.

    :param listed: the URL of a foreign host that files may be fetched from
    :param unlisted: of one that they may not
    :param loop: a path of the source that redirects to itself
    """
    yield from _statuses()
    yield from _wrong_bodies()
    yield from _broken_transfers()
    yield from _redirects(listed, unlisted, loop)


def _statuses() -> Iterator[Fault]:
    expired = status("401 Unauthorized")
    # A 401 gets a new token and is asked once more, in the same attempt.
    yield Fault("401 once", [expired], fetches=(2, 2))
    # An attempt asks again with a new token, and a little more where others renewed it too.
    yield lasting("401 for ever", expired, "SRC_UNAUTHORIZED", fetches=(5, 25))
    yield at_once("403", status("403 Forbidden"), "SRC_FORBIDDEN")
    yield at_once("404", status("404 Not Found"), "SRC_NOT_FOUND")
    yield at_once("410", status("410 Gone"), "SRC_NOT_FOUND")
    for line in ("500 Internal Server Error", "502 Bad Gateway", "504 Gateway Timeout"):
        yield mended(line, status(line, body=b"oops"))
    yield mended("408", status("408 Request Timeout"))
    yield lasting("500 for ever", status("500 Internal Server Error"), "SRC_SERVER_ERROR")
    yield mended("503", ERROR)
    yield mended("503 four times", ERROR, ERROR, ERROR, ERROR)
    yield mended("503 with Retry-After", BUSY)
    yield lasting("408 for ever", status("408 Request Timeout"), "SRC_SERVER_ERROR")
    yield at_once("206", bare("206 Partial Content", "Content-Length: 0"), "SRC_BAD_STATUS")
    yield at_once("204", bare("204 No Content"), "SRC_BAD_STATUS")
    yield at_once("304", bare("304 Not Modified"), "SRC_BAD_STATUS")
    yield at_once("302 to nowhere", bare("302 Found", "Content-Length: 0"), "SRC_BAD_STATUS")
    yield Fault("103, then good", [after_interim()])
    yield Fault("103 a hundred times, then good", [after_interim(100)])
    yield lasting("103 without end", after_interim(3000), "SRC_BAD_ANSWER")


def _wrong_bodies() -> Iterator[Fault]:
    yield mended("errcode with 200", refusal())
    yield lasting("errcode with 200 for ever", refusal(), "SRC_BUSINESS_ERROR")
    yield lasting(
        "errcode at the end, for a text",
        instead(LATE_ERRCODE),
        "SRC_BUSINESS_ERROR",
        file=UNDECLARED | {"fileSuffix": "txt"},
    )
    yield mended("HTML as text/html", html(content_type="text/html; charset=utf-8"))
    yield mended("HTML as octet-stream", html())
    yield mended("HTML behind a BOM", html(b"\xef\xbb\xbf\r\n"))
    yield mended("HTML behind a comment", html(b"<!-- gateway 7 -->\n"))
    yield mended("HTML behind a long comment", html(LONG_COMMENT), file=UNDECLARED)
    yield mended("HTML behind an XML declaration", html(b'<?xml version="1.0"?>\n'))
    yield mended("a page that is a script", instead(SCRIPT_PAGE), file=UNDECLARED)
    yield lasting("HTML for ever", html(), "SRC_HTML")
    yield mended("zero bytes", instead(b""))
    yield lasting("zero bytes for ever", instead(b""), "SRC_EMPTY")
    yield mended("gzip", gzipped)
    yield lasting("gzip for ever", gzipped, "SRC_BAD_ANSWER")
    yield at_once(
        "wrong bytes, SHA-256 declared",
        changed(flipped),
        "FILE_DIGEST_MISMATCH",
        file={"md5": None},
    )
    yield at_once(
        "wrong bytes, MD5 declared", changed(flipped), "FILE_DIGEST_MISMATCH", file={"sha256": None}
    )
    yield at_once(
        "another type, nothing declared", instead(png()), "FILE_TYPE_MISMATCH", file=UNDECLARED
    )
    yield at_once("zeros at the end", changed(zero_padded), "FILE_DIGEST_MISMATCH")
    yield at_once(
        "zeros at the end, nothing declared", changed(zero_padded), "FILE_CORRUPT", file=UNDECLARED
    )
    other = instead(picture("somebody else's"))
    yield lasting("another file", other, "FILE_SIZE_MISMATCH", file={"sha256": None, "md5": None})
    yield Fault("another file, nothing declared", [other], file=UNDECLARED)
    # Cut first, different afterwards: nothing of the first read may be in what is kept.
    again = changed(picture_again)
    yield Fault("cut, then changed", [cut(0.7), again], attempts=2, file=UNDECLARED)
    yield Fault("more bytes than announced", [surplus(b"\r\n" + b"x" * 5000)])
    yield Fault("another answer behind the answer", [surplus(SMUGGLED)])
    yield lasting(
        "longer than declared", changed(lambda body: body + b"x" * 3000), "FILE_SIZE_MISMATCH"
    )


def picture_again(body: bytes) -> bytes:
    """The same picture, scanned anew."""
    return picture("scanned anew") if body else body


def _broken_transfers() -> Iterator[Fault]:
    yield mended("shorter than Content-Length", cut())
    yield mended("cut in the body", cut(reset=True))
    yield mended("cut behind the head", cut(0.0))
    yield mended("cut in the head", cut_in_head)
    yield mended("cut before the head", hang_up)
    yield mended("reset before the head", reset_at_once)
    yield lasting("shorter for ever", cut(), "SRC_SHORT_BODY")
    yield lasting("hangs up for ever", hang_up, "SRC_CONNECTION")
    yield mended("chunks that are cut", cut_chunks)
    yield lasting("chunks that are cut for ever", cut_chunks, "SRC_CUT")
    yield Fault("no length, whole", [unframed()])
    yield mended("no length, cut", unframed(0.5))
    yield lasting("no length, nothing declared", unframed(), "SRC_CUT", file=UNDECLARED)
    # On a kept connection it is asked for once more within the attempt.
    yield Fault("not HTTP", [garbage], attempts=None, fetches=(2, 3))
    yield mended("stalls before the head", stall_before_head)
    yield mended("stalls in the body", stall_in_body)
    yield mended("drips", drip_body())


def _redirects(listed: str, unlisted: str, loop: str) -> Iterator[Fault]:
    def echo(exchange: Exchange) -> str:
        return f"{listed}/stolen?token={exchange.seen.token}"

    yield at_once("redirect loop", redirect(loop), "SRC_REDIRECT_LOOP")
    yield at_once("redirect abroad", redirect(f"{unlisted}/x"), "SRC_HOST_NOT_ALLOWED")
    yield at_once("redirect abroad, no scheme", redirect(unlisted[5:]), "SRC_HOST_NOT_ALLOWED")
    yield Fault("redirect to an allowed host", [redirect(f"{listed}/moved")], file=UNDECLARED)
    yield lasting("redirect with the token", redirect(echo), "SRC_BAD_ANSWER")
    yield lasting("redirect to a file", redirect("file:///etc/passwd"), "SRC_BAD_ANSWER")
    yield Fault(
        "address at an allowed host",
        fetches=(0, 0),
        file=UNDECLARED | {"downloadUrl": f"{listed}/direct"},
    )
    yield untouched(
        "address at a foreign host", "SRC_HOST_NOT_ALLOWED", downloadUrl=f"{unlisted}/direct"
    )
    yield untouched("address of no kind", "META_BAD_VALUE", downloadUrl="ftp://127.0.0.1/x")


def throttled() -> Iterator[tuple[Fault, float]]:
    """Files of a source that wants to be left alone, with the seconds it wants."""
    line = "429 Too Many Requests"
    retry_after = status(line, "Retry-After: 4", body=b"slowly")
    yield Fault("429 with seconds", [retry_after], attempts=None, fetches=(2, 2)), 4.0
    yield Fault("429 with a date", [later(5.0)], attempts=None, fetches=(2, 2)), 4.0
    yield Fault("429 without", [status(line)], attempts=None, fetches=(2, 2)), 0.0
