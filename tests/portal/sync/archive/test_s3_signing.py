"""Signatures, against the examples that AWS publishes for Signature Version 4 of S3."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from portal.sync.archive.s3.credentials import Credentials
from portal.sync.archive.s3.signing import EMPTY_SHA256, encoded_path, encoded_query, signed

KEYS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HOST = "examplebucket.s3.amazonaws.com"
BODY = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "payload", "signature"),
    [
        (
            *("GET", "/test.txt", (), {"range": "bytes=0-9"}, EMPTY_SHA256),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            *("PUT", "/test$file.text", ()),
            {
                "date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
            },
            BODY,
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            *("GET", "/", (("lifecycle", ""),), {}, EMPTY_SHA256),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            *("GET", "/", (("prefix", "J"), ("max-keys", "2")), {}, EMPTY_SHA256),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get", "put", "subresource", "list"],
)
def test_the_published_examples(
    *,
    method: str,
    path: str,
    query: tuple[tuple[str, str], ...],
    headers: dict[str, str],
    payload: str,
    signature: str,
) -> None:
    found = signed(
        {**headers, "host": HOST},
        KEYS,
        method=method,
        path=encoded_path(path),
        query=encoded_query(query),
        payload_sha256=payload,
        region="us-east-1",
        now=datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert found["authorization"].endswith(f"Signature={signature}")


def test_a_sessions_token_is_sent_and_signed() -> None:
    found = signed(
        {"host": HOST},
        Credentials("a", "b", "the-token"),
        method="GET",
        path="/",
        query="",
        payload_sha256=EMPTY_SHA256,
        region="us-east-1",
        now=datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert found["x-amz-security-token"] == "the-token"
    assert "x-amz-security-token," in found["authorization"].replace(";", ",")


def test_keys_are_never_shown() -> None:
    assert "EXAMPLEKEY" not in f"{KEYS!r} {KEYS}"


def test_paths_are_sent_as_they_are_signed() -> None:
    assert encoded_path("/b/影 +%~(1).pdf") == "/b/%E5%BD%B1%20%2B%25~%281%29.pdf"
