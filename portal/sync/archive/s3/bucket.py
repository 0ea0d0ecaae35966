"""What is done with objects: sent, read, listed, removed; keys are without the prefix."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from xml.etree import ElementTree

from portal.errors import SyncError
from portal.sync.archive.s3.client import Body, Request, S3Client
from portal.sync.archive.s3.failures import Refused, parsed, refusal
from portal.sync.archive.s3.lists import Course, key_reader, mark, size
from portal.sync.archive.s3.wire import Answer, Sink

# Servers put parts of large objects together before they answer.
_COMPLETE_SECONDS = 300
_PAGE = "1000"


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that was begun and neither completed nor aborted."""

    key: str
    upload_id: str
    begun_at: datetime


class TakenKey(Exception):
    """An object is there already under the key."""


class Bucket:
    """The objects below a prefix.

    :raises SyncError: by every method, an error of the archive
    """

    def __init__(self, client: S3Client, prefix: str) -> None:
        self._client = client
        self._prefix = f"{prefix}/" if prefix else ""
        self._is_conditional = True

    # One object at once.

    def put(self, key: str, body: Body, *, md5: str, metadata: dict[str, str]) -> None:
        """Store an object in one request, unless one is there.

        :param md5: of the body, as base64
        :raises TakenKey: when the server says that one is there
        """
        try:
            self._unless_taken("PUT", key, {"content-md5": md5, **metadata}, body)
        except Refused as refused:
            raise refused.error() from None

    def read(self, key: str, sink: Sink, *, start: int = 0, end: int | None = None) -> int | None:
        """Send the bytes from ``start`` to before ``end`` into a sink; the object's size.

        One try: the sink keeps what it was given. None when the server does not tell the size.

        :raises SyncError: ARCHIVE_MISSING; ARCHIVE_UNREACHABLE when the answer breaks off
        """
        headers = {}
        if start or end is not None:
            headers["range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            answer = self._client.send(
                Request(
                    "GET",
                    "s3:GetObject",
                    key=self._prefix + key,
                    headers={**headers, "accept-encoding": "identity"},
                    sink=sink,
                    answers=(416,),
                )
            )
        except Refused as refused:
            raise _missing(refused) from None
        if answer.status == 416:
            return _total(answer) or 0
        if "range" in headers and answer.status == 200 and start:
            raise SyncError("ARCHIVE_REFUSED", detail="s3:GetObject: ranges are ignored")
        return _total(answer)

    def remove(self, key: str, *, tries: int | None = None) -> None:
        """Remove an object; its absence is fine."""
        try:
            self._client.send(
                Request("DELETE", "s3:DeleteObject", key=self._prefix + key), tries=tries
            )
        except Refused as refused:
            if not refused.is_absence:
                raise refused.error() from None

    # In parts.

    def begin(self, key: str, metadata: dict[str, str]) -> str:
        """Begin a multipart upload; its id."""
        answer = self._asked(
            Request(
                "POST",
                "s3:PutObject",
                key=self._prefix + key,
                query=(("uploads", ""),),
                headers=metadata,
            )
        )
        found = mark(_tree(answer, "s3:PutObject").findtext("{*}UploadId"), "s3:PutObject")
        if not found:
            raise SyncError("ARCHIVE_REFUSED", detail="s3:PutObject: no upload id")
        return found

    def put_part(self, key: str, upload_id: str, number: int, body: Body, *, md5: str) -> str:
        """Send a part; the name the server gives it, which is only good for :meth:`complete`."""
        answer = self._asked(
            Request(
                "PUT",
                "s3:PutObject",
                key=self._prefix + key,
                query=(("partNumber", str(number)), ("uploadId", upload_id)),
                headers={"content-md5": md5},
                body=body,
            )
        )
        return answer.headers.get("etag", "")

    def complete(self, key: str, upload_id: str, parts: list[str]) -> None:
        """Make an object of the parts, unless one is there.

        An answer that got lost leaves it unknown whether there is one: reading it tells.

        :raises TakenKey: when the server says that one is there
        """
        root = ElementTree.Element("CompleteMultipartUpload")
        for number, name in enumerate(parts, start=1):
            part = ElementTree.SubElement(root, "Part")
            ElementTree.SubElement(part, "PartNumber").text = str(number)
            ElementTree.SubElement(part, "ETag").text = name
        text = ElementTree.tostring(root)
        body = Body(text, hashlib.sha256(text).hexdigest())
        try:
            answer = self._unless_taken("POST", key, {}, body, query=(("uploadId", upload_id),))
        except Refused as refused:
            if refused.code == "NoSuchUpload":  # an earlier try did it, and its answer got lost
                return
            raise refused.error() from None
        tree = _tree(answer, "s3:PutObject")
        if tree.tag.endswith("Error"):  # the status was sent before the server knew
            raise refusal(replace(answer, status=500), "s3:PutObject").error()

    def abort(self, key: str, upload_id: str) -> None:
        """Give up an upload and its parts; one that is not there is fine."""
        try:
            self._client.send(
                Request(
                    "DELETE",
                    "s3:AbortMultipartUpload",
                    key=self._prefix + key,
                    query=(("uploadId", upload_id),),
                )
            )
        except Refused as refused:
            if not refused.is_absence:
                raise refused.error() from None

    def uploads(self, prefix: str = "") -> Iterator[Upload]:
        """The unfinished uploads of keys with a prefix."""
        doing, wanted = "s3:ListBucketMultipartUploads", self._prefix + prefix
        marks: tuple[tuple[str, str], ...] = ()
        course = Course(doing)
        while True:
            answer = self._asked(
                Request(
                    "GET",
                    doing,
                    query=(("uploads", ""), ("encoding-type", "url"), ("prefix", wanted), *marks),
                )
            )
            root = _tree(answer, doing)
            read, found = key_reader(root, doing), False
            for upload in root.iterfind("{*}Upload"):
                key = read(upload.findtext("{*}Key"))
                if key.startswith(wanted):
                    found = True
                    upload_id = mark(upload.findtext("{*}UploadId"), doing)
                    begun = _moment(upload.findtext("{*}Initiated") or "")
                    yield Upload(key.removeprefix(self._prefix), upload_id, begun)
            if (root.findtext("{*}IsTruncated") or "").lower() != "true":
                return
            marks = (
                ("key-marker", read(root.findtext("{*}NextKeyMarker"))),
                ("upload-id-marker", mark(root.findtext("{*}NextUploadIdMarker"), doing)),
            )
            course.turn(marks, found=found)

    # Many objects.

    def listed(self, prefix: str = "", *, most: int | None = None) -> Iterator[tuple[str, int]]:
        """The keys with a prefix and the sizes of their objects.

        :param most: enough; fewer requests where that is little
        """
        doing, wanted = "s3:ListBucket", self._prefix + prefix
        more: tuple[tuple[str, str], ...] = ()
        left = most
        course = Course(doing)
        while True:
            page = _PAGE if left is None else str(min(left, int(_PAGE)))
            answer = self._asked(
                Request(
                    "GET",
                    doing,
                    query=(
                        ("list-type", "2"),
                        ("encoding-type", "url"),
                        ("max-keys", page),
                        ("prefix", wanted),
                        *more,
                    ),
                )
            )
            root = _tree(answer, doing)
            read, found = key_reader(root, doing), False
            for entry in root.iterfind("{*}Contents"):
                key = read(entry.findtext("{*}Key"))
                if not key.startswith(wanted):
                    continue  # nothing that was asked for
                found = True
                yield key.removeprefix(self._prefix), size(entry.findtext("{*}Size"), doing)
                if left is not None:
                    left -= 1
            after = mark(root.findtext("{*}NextContinuationToken"), doing)
            is_last = (root.findtext("{*}IsTruncated") or "").lower() != "true"
            if is_last or not after or (left is not None and left <= 0):
                return
            more = (("continuation-token", after),)
            course.turn(more, found=found)

    def _unless_taken(
        self,
        method: str,
        key: str,
        headers: dict[str, str],
        body: Body,
        query: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        """A request that creates an object, refused by the server where one is there.

        A server that does not know the condition says so or ignores it.
        """
        condition = {"if-none-match": "*"} if self._is_conditional else {}
        try:
            return self._client.send(
                Request(
                    method,
                    "s3:PutObject",
                    key=self._prefix + key,
                    query=query,
                    headers=headers | condition,
                    body=body,
                    patience=_COMPLETE_SECONDS if query else 0,
                )
            )
        except Refused as refused:
            if refused.status == 412:
                raise TakenKey from None
            if condition and (refused.status == 501 or refused.code == "NotImplemented"):
                self._is_conditional = False
                return self._unless_taken(method, key, headers, body, query)
            raise

    def _asked(self, request: Request) -> Answer:
        try:
            return self._client.send(request)
        except Refused as refused:
            raise refused.error() from None


_RANGE = re.compile(r"bytes (?:[0-9]+-[0-9]+|\*)/([0-9]{1,18})")
_LENGTH = re.compile(r"[0-9]{1,18}")


def _total(answer: Answer) -> int | None:
    """The object's size, as an answer to a request for it or for a stretch of it says it."""
    found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    if found:
        return int(found[1])
    length = answer.headers.get("content-length", "")
    return int(length) if answer.status == 200 and _LENGTH.fullmatch(length) else None


def _missing(refused: Refused) -> SyncError:
    return SyncError("ARCHIVE_MISSING") if refused.is_absence else refused.error()


def _tree(answer: Answer, doing: str) -> ElementTree.Element:
    try:
        return parsed(answer.body)
    except ValueError as error:
        raise SyncError("ARCHIVE_REFUSED", detail=f"{doing}: {error}") from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)  # never old enough to be given up
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
