"""Signed requests to one bucket, tried again while that may help."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

from portal.archive_place import S3Place
from portal.errors import SyncError
from portal.sync.archive.s3.credentials import CredentialChain, Credentials
from portal.sync.archive.s3.failures import STALE_KEYS, Refused, refusal, retry_after
from portal.sync.archive.s3.signing import EMPTY_SHA256, Query, encoded_path, encoded_query, signed
from portal.sync.archive.s3.wire import Answer, Exchange, Sink, Slice, Unreached, Wire, WireOptions

logger = logging.getLogger(__name__)

_OK = frozenset({200, 204, 206})
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class S3Options:
    """How patient we are, in seconds, and what is sent at once.

    :param tries: of one request, the first included
    :param first_pause: doubles from try to try, with jitter
    :param most_seconds: no further try after that time
    :param part_bytes: larger files are sent in parts of this size
    """

    tries: int = 5
    first_pause: float = 0.25
    most_seconds: float = 45.0
    part_bytes: int = 16 << 20
    wire: WireOptions = field(default_factory=WireOptions)


@dataclass(frozen=True, slots=True)
class Body:
    """What is sent, with its digest."""

    content: Slice | bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the server.

    :ivar doing: what for, as the S3 action that a policy must allow
    :ivar key: whole, with the prefix; None for the bucket itself
    :ivar headers: by lower-case names
    :ivar sink: of the answer's body; it cannot give back what it took, so there is one try
    :ivar patience: seconds without a byte, where an answer takes longer than usual
    :ivar answers: further statuses that are answers and no refusals
    """

    method: str
    doing: str
    key: str | None = None
    query: Query = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    sink: Sink | None = None
    patience: int = 0
    answers: Collection[int] = ()


class S3Client:
    """Requests to the bucket of ``place``; for any thread.

    :raises SyncError: by every request, an error of the archive
    """

    def __init__(self, place: S3Place, chain: CredentialChain, options: S3Options) -> None:
        self._place = place
        self._chain = chain
        self._options = options
        self._wire = Wire(ca_file=place.ca_file, options=options.wire)
        parts = urlsplit(place.endpoint)
        self._host = f"{place.bucket}.{parts.netloc}" if place.is_virtual else parts.netloc
        self._root = f"{parts.scheme}://{self._host}"
        self._bucket_path = "" if place.is_virtual else f"/{place.bucket}"

    def send(self, request: Request, *, tries: int | None = None) -> Answer:
        """Send a request until it is answered.

        :raises SyncError: when the server cannot be reached, or there are no keys
        :raises Refused: for any other answer than a success
        """
        most = (tries or self._options.tries) if request.sink is None else 1
        until = time.monotonic() + self._options.most_seconds
        number = 0
        while True:
            number += 1
            try:
                return self._once(request)
            except (Unreached, _Passing) as error:
                pause = self._pause(number, error)
                if number >= most or time.monotonic() + pause > until:
                    raise _outcome(error, request.doing) from None
                doing = request.doing
                logger.info("the archive: %s failed (%s), again in %.1f s", doing, error, pause)
                time.sleep(pause)

    def close(self) -> None:
        """Close the connections that are idle."""
        self._wire.close()

    def _once(self, request: Request) -> Answer:
        credentials = self._chain.current()
        answer = self._exchange(request, credentials)
        refused = self._judge(request, answer)
        if refused is not None and refused.code in STALE_KEYS and self._chain.renew(credentials):
            answer = self._exchange(request, self._chain.current())
            refused = self._judge(request, answer)
        if refused is None:
            return answer
        if refused.is_passing:
            raise _Passing(refused, retry_after(answer.headers))
        raise refused

    def _judge(self, request: Request, answer: Answer) -> Refused | None:
        if answer.status in _OK or answer.status in request.answers:
            return None
        return refusal(answer, request.doing)

    def _exchange(self, request: Request, credentials: Credentials) -> Answer:
        method, body = request.method, request.body
        path = encoded_path(f"{self._bucket_path}/{request.key or ''}")
        query = encoded_query(request.query)
        headers = signed(
            {**request.headers, "host": self._host},
            credentials,
            method=method,
            path=path,
            query=query,
            payload_sha256=body.sha256 if body else EMPTY_SHA256,
            region=self._place.region,
            now=datetime.now(UTC),
        )
        content = body.content if body else b"" if method in ("PUT", "POST") else None
        url = f"{self._root}{path}{'?' if query else ''}{query}"
        return self._wire.exchange(
            Exchange(method, url, headers, content, request.sink, request.patience)
        )

    def _pause(self, number: int, error: Exception) -> float:
        usual = self._options.first_pause * 2 ** (number - 1) * (0.5 + 0.5 * random.random())  # noqa: S311
        wanted = error.wait if isinstance(error, _Passing) else 0.0
        return float(min(_LONGEST_PAUSE, max(usual, wanted)))


class _Passing(Exception):
    """A refusal that may pass."""

    def __init__(self, refused: Refused, wait: float) -> None:
        super().__init__(str(refused))
        self.refused = refused
        self.wait = wait


def _outcome(error: Unreached | _Passing, doing: str) -> Exception:
    if isinstance(error, _Passing):
        return error.refused
    return SyncError("ARCHIVE_UNREACHABLE", detail=f"{doing}: {error.detail}")
