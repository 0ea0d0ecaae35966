"""What an S3 server's refusals mean in the catalogue.

Servers differ in their words; what is not known is judged by the status alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from portal.errors import SyncError
from portal.sync.archive.s3.wire import Answer

#: Keys of a session that ended: worth a second try with fresh ones.
STALE_KEYS = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "RequestExpired"})
_KEYS = STALE_KEYS | {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSecurity",
    "NotSignedUp",
    "Unauthorized",
}
_CLOCK = frozenset({"RequestTimeTooSkewed"})
_PLACE = frozenset(
    {
        "NoSuchBucket",
        "PermanentRedirect",
        "TemporaryRedirect",
        "AuthorizationHeaderMalformed",
        "InvalidBucketName",
        "IllegalLocationConstraintException",
        "BucketRegionError",
        "InvalidRegion",
    }
)
_FULL = frozenset(
    {
        "QuotaExceeded",
        "InsufficientStorage",
        "XMinioStorageFull",
        "XMinioAdminBucketQuotaExceeded",
        "StorageFull",
        "InsufficientCapacity",
        "ServiceQuotaExceeded",
    }
)
_BUSY = frozenset(
    {
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "ServiceUnavailable",
        "InternalError",
        "Busy",
        "TooManyRequests",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "OperationAborted",
        "ConditionalRequestConflict",
        "ServerBusy",
    }
)
# The server did not receive what we sent in time, or not as we sent it.
_BROKEN_WAY = frozenset(
    {"RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch"}
)
_NOT_MADE, _NO_ROOM = 501, 507
_DETAIL_LENGTH = 160
# A page of a list has 1,000 entries of some twelve elements, and hardly an attribute.
_MOST_MARKUP = 100_000


class Refused(Exception):
    """The server answered, and not with what was asked for.

    :ivar code: the server's own word, empty where it gave none
    """

    def __init__(self, status: int, code: str, doing: str) -> None:
        super().__init__(f"{doing}: {status} {code}")
        self.status = status
        self.code = code
        self.doing = doing

    @property
    def is_passing(self) -> bool:
        """Whether trying again at once may help."""
        if self.code in _FULL or self.status in (_NOT_MADE, _NO_ROOM):
            return False
        known = self.code in _BUSY or self.code in _BROKEN_WAY
        return known or self.status in (408, 429) or self.status >= 500

    @property
    def is_absence(self) -> bool:
        """Whether the key, and not the bucket, is what is not there."""
        return self.status == 404 and self.code not in _PLACE

    def error(self) -> SyncError:
        """The same in the catalogue's words."""
        detail = f"{self.doing}: {self.status} {self.code}".strip()[:_DETAIL_LENGTH]
        if self.code in _FULL or self.status == _NO_ROOM:
            return SyncError("ARCHIVE_FULL")
        meanings = (
            (self.code in _KEYS or self.status == 401, "ARCHIVE_CREDENTIALS"),
            (self.code in _CLOCK, "ARCHIVE_CLOCK"),
            (self.code in _PLACE or self.status in (301, 307), "ARCHIVE_NO_BUCKET"),
            (self.code in _BROKEN_WAY, "ARCHIVE_UNREACHABLE"),
            (self.is_passing, "ARCHIVE_BUSY"),
            (self.status == 403, "ARCHIVE_DENIED"),
        )
        meaning = next((code for applies, code in meanings if applies), "ARCHIVE_REFUSED")
        return SyncError(meaning, detail=detail)


def refusal(answer: Answer, doing: str) -> Refused:
    """What an answer that is no success says."""
    return Refused(answer.status, _code(answer), doing)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds the server wants to be left alone; 0 when it says nothing."""
    value = headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdecimal() else 0.0


def _code(answer: Answer) -> str:
    try:
        root = parsed(answer.body)
    except ValueError:
        return answer.headers.get("x-minio-error-code", "")[:64]
    return (root.findtext("{*}Code") or root.findtext("Code") or "")[:64]


def parsed(body: bytes) -> ElementTree.Element:
    """An answer's XML, without declarations of its own.

    :raises ValueError: when it is none
    """
    # In an encoding of two bytes the words would not be found.
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body or b"\x00" in body:
        raise ValueError("declarations in an answer")
    if body.count(b"<") > _MOST_MARKUP or body.count(b'="') + body.count(b"='") > _MOST_MARKUP:
        raise ValueError("an answer of too many elements")
    try:
        return ElementTree.fromstring(body)  # noqa: S314 - nothing can be declared in it
    except ElementTree.ParseError as error:
        raise ValueError("an answer that is no XML") from error
