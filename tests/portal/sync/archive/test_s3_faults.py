"""What the network, a gateway or a bad server does between us and the bucket."""

from __future__ import annotations

import hashlib
import logging
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import obstore.store
import pytest
import requests

from portal.errors import PROBLEMS, SyncError
from portal.sync.archive.reading import damage_of
from portal.sync.archive.s3.archive import S3Archive
from tests.portal.sync.archive.faulty_s3 import Fault, FaultyS3, Kind, faulty_s3
from tests.portal.sync.archive.stores import (
    KEYS,
    S3,
    Store,
    bucket,
    s3_archive,
    s3_place,
    staged,
)

pytestmark = pytest.mark.s3
FOLDER = "s/2024-01/A"
KEY = f"{FOLDER}/a.bin"
CONTENT = bytes(range(256)) * 2000
LARGE = hashlib.shake_128(b"large").digest(1 << 20) * 11  # three parts
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def name() -> Iterator[str]:
    with bucket() as name:
        yield name


@pytest.fixture
def faulty(name: str) -> Iterator[FaultyS3]:
    with faulty_s3(S3) as faulty:
        yield faulty


@pytest.fixture
def store(name: str, faulty: FaultyS3, tmp_path: Path) -> Store:
    scratch = tmp_path / "scratch"

    def opened(place: Path) -> S3Archive:
        return s3_archive(name, place, endpoint=faulty.url)

    return Store(opened(scratch), scratch, lambda: opened(tmp_path / "another-scratch"))


def publish(store: Store, content: bytes = CONTENT, folder: str = FOLDER) -> None:
    store.archive.publish([staged(store.archive, folder, {"a.bin": content})])


def failing(store: Store, content: bytes = CONTENT) -> SyncError:
    stage = staged(store.archive, FOLDER, {"a.bin": content})
    with pytest.raises(SyncError) as error:
        store.archive.publish([stage])
    stage.close()
    return error.value


def sound(store: Store, content: bytes = CONTENT) -> bool:
    digest = hashlib.sha256(content).hexdigest()
    return damage_of(store.archive, KEY, len(content), digest) is None


def other_client(name: str) -> obstore.store.S3Store:
    """Somebody else's program that reads the same bucket."""
    return obstore.store.S3Store(
        name,
        endpoint=S3,
        region="us-east-1",
        access_key_id="k",
        secret_access_key="s",
        client_options={"allow_http": True},
    )


# What passes.


@pytest.mark.parametrize(
    "kind",
    [
        *("refuse", "drop", "drop in upload", "lose answer"),
        pytest.param("stall", marks=pytest.mark.faults),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "GET"])
@pytest.mark.parametrize("content", [CONTENT, LARGE], ids=["small", "large"])
def test_a_fault_that_passes_costs_nothing(
    store: Store, faulty: FaultyS3, kind: Kind, method: str, content: bytes
) -> None:
    faulty.fault = Fault(kind, methods=(method,), times=2)
    publish(store, content)
    assert faulty.fault.times <= 0
    assert sound(store, content)
    assert store.left_over() == []


def test_an_etag_proves_nothing_and_a_wrong_one_disturbs_nothing(
    store: Store, faulty: FaultyS3
) -> None:
    faulty.fault = Fault("lie about etag")
    publish(store)
    assert sound(store)
    assert store.keys() == [KEY]


@pytest.mark.parametrize("kind", ["refuse", "drop", "lose answer"])
def test_a_multipart_upload_survives_faults_at_its_beginning_and_end(
    store: Store, faulty: FaultyS3, kind: Kind
) -> None:
    faulty.fault = Fault(kind, methods=("POST",), matching="uploadId=", times=1)
    publish(store, LARGE)
    assert sound(store, LARGE)


@pytest.mark.parametrize("kind", ["cut answer", "short answer"])
def test_a_read_that_breaks_off_goes_on_where_it_was(
    store: Store, faulty: FaultyS3, kind: Kind
) -> None:
    publish(store, LARGE)
    faulty.fault = Fault(kind, methods=("GET",), times=3)
    with store.archive.open(KEY) as file:
        assert file.read() == LARGE
    assert faulty.fault.times <= 0
    faulty.fault = Fault(kind, methods=("GET",), times=3)
    assert sound(store, LARGE)


def test_retry_after_is_honoured_within_reason(
    store: Store, faulty: FaultyS3, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    faulty.fault = Fault("refuse", methods=("PUT",), times=1, headers={"Retry-After": "1"})
    publish(store)
    assert "again in 1.0 s" in caplog.text


# What does not.


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [
        (503, "SlowDown", "ARCHIVE_BUSY"),
        (500, "InternalError", "ARCHIVE_BUSY"),
        (429, "", "ARCHIVE_BUSY"),
        (502, "", "ARCHIVE_BUSY"),
        (403, "InvalidAccessKeyId", "ARCHIVE_CREDENTIALS"),
        (403, "SignatureDoesNotMatch", "ARCHIVE_CREDENTIALS"),
        (401, "", "ARCHIVE_CREDENTIALS"),
        (403, "AccessDenied", "ARCHIVE_DENIED"),
        (403, "", "ARCHIVE_DENIED"),
        (403, "RequestTimeTooSkewed", "ARCHIVE_CLOCK"),
        (404, "NoSuchBucket", "ARCHIVE_NO_BUCKET"),
        (301, "PermanentRedirect", "ARCHIVE_NO_BUCKET"),
        (400, "AuthorizationHeaderMalformed", "ARCHIVE_NO_BUCKET"),
        (507, "XMinioStorageFull", "ARCHIVE_FULL"),
        (403, "QuotaExceeded", "ARCHIVE_FULL"),
        (400, "RequestTimeout", "ARCHIVE_UNREACHABLE"),
        (400, "KeyTooLongError", "ARCHIVE_REFUSED"),
        (405, "", "ARCHIVE_REFUSED"),
    ],
)
def test_a_refusal_has_its_code(
    store: Store, faulty: FaultyS3, status: int, word: str, code: str
) -> None:
    faulty.fault = Fault("refuse", status=status, code=word)
    publishing = failing(store)
    assert publishing.code == code
    for look in (
        lambda: store.archive.probe(0),
        lambda: store.archive.present([FOLDER]),
        lambda: store.archive.open(KEY),
        store.keys,
    ):
        with pytest.raises(SyncError) as error:
            look()
        assert error.value.code == code
        assert error.value.problem.where == "archive"
    store.archive.remove(FOLDER)  # does not raise: a sweep comes later


@pytest.mark.parametrize(
    "kind", ["drop", "drop in upload", pytest.param("stall", marks=pytest.mark.faults)]
)
def test_a_server_that_does_not_answer_is_unreachable(
    store: Store, faulty: FaultyS3, kind: Kind
) -> None:
    faulty.fault = Fault(kind, methods=("PUT",))
    assert failing(store).code == "ARCHIVE_UNREACHABLE"


def test_a_server_that_is_not_there_is_unreachable(name: str, tmp_path: Path) -> None:
    archive = s3_archive(name, tmp_path, endpoint="http://127.0.0.1:9")
    with pytest.raises(SyncError) as error:
        archive.probe(0)
    assert error.value.code == "ARCHIVE_UNREACHABLE"
    assert "connect" in error.value.params["detail"]


def test_an_outage_spares_the_rest_of_the_group_the_wait(store: Store, faulty: FaultyS3) -> None:
    stages = [staged(store.archive, f"s/2024-01/{n}", {"a": b"x"}) for n in range(200)]
    faulty.fault = Fault("refuse")
    with pytest.raises(SyncError):
        store.archive.publish(stages)
    assert len(faulty.seen) <= 16 * 4


# Proof.


@pytest.mark.parametrize("kind", ["store less", "store other"])
@pytest.mark.parametrize("content", [CONTENT, LARGE], ids=["small", "large"])
def test_a_server_that_keeps_something_else_and_says_yes_is_found_out(
    store: Store, faulty: FaultyS3, kind: Kind, content: bytes
) -> None:
    # Of a file in parts the last one: all others have a least size.
    last = "partNumber=3" if content is LARGE else ""
    faulty.fault = Fault(kind, methods=("PUT",), matching=last)
    error = failing(store, content)
    assert error.code == "ARCHIVE_UNPROVED"
    assert error.problem.where == "archive"


@pytest.mark.parametrize("kind", ["store less", "store other"])
def test_what_came_back_different_is_sent_again(store: Store, faulty: FaultyS3, kind: Kind) -> None:
    faulty.fault = Fault(kind, methods=("PUT",), times=1)
    publish(store)
    assert sound(store)


def test_a_probe_finds_a_server_that_keeps_something_else(store: Store, faulty: FaultyS3) -> None:
    faulty.fault = Fault("store other", methods=("PUT",))
    with pytest.raises(SyncError) as error:
        store.archive.probe(0)
    assert error.value.code == "ARCHIVE_UNPROVED"
    faulty.fault = None
    assert store.keys() == []


def test_what_was_changed_in_the_scratch_folder_is_never_sent(
    store: Store, faulty: FaultyS3
) -> None:
    stage = staged(store.archive, FOLDER, {"a.bin": CONTENT})
    stage.path("a.bin").write_bytes(CONTENT[::-1])
    with pytest.raises(SyncError) as error:
        store.archive.publish([stage])
    assert error.value.code == "ARCHIVE_UNPROVED"
    assert not faulty.requests("PUT")


def test_the_digest_is_kept_beside_the_object(store: Store, name: str) -> None:
    publish(store)
    publish(store, LARGE, "s/2024-01/B")
    for folder, content in (("A", CONTENT), ("B", LARGE)):
        found = other_client(name).get(f"归 档/a/s/2024-01/{folder}/a.bin")
        assert found.attributes["sha256"] == hashlib.sha256(content).hexdigest()
        assert found.bytes().to_bytes() == content


def test_every_upload_carries_digests_a_server_can_check(store: Store, faulty: FaultyS3) -> None:
    publish(store)
    publish(store, LARGE, "s/2024-01/B")
    sent = faulty.requests("PUT")
    assert len(sent) == 1 + 3
    for one in sent:
        assert len(one.headers["content-md5"]) == 24
        assert len(one.headers["x-amz-content-sha256"]) == 64
    assert sent[0].headers["x-amz-content-sha256"] == DIGEST


# Names and conditions.


@pytest.mark.parametrize("content", [CONTENT, LARGE], ids=["small", "large"])
def test_a_server_without_conditions_is_good_enough(
    store: Store, faulty: FaultyS3, content: bytes
) -> None:
    faulty.fault = Fault("no conditions")
    publish(store, content)
    assert sound(store, content)


def test_a_server_that_refuses_conditions_is_asked_without(store: Store, faulty: FaultyS3) -> None:
    faulty.fault = Fault("refuse", methods=("PUT",), times=1, status=501, code="NotImplemented")
    publish(store)
    publish(store, folder="s/2024-01/B")
    conditions = ["if-none-match" in one.headers for one in faulty.requests("PUT")]
    assert conditions == [True, False, False]


def test_lists_are_read_page_by_page(store: Store, faulty: FaultyS3) -> None:
    store.archive.publish([store.staged(f"s/2024-01/{n}+ %", files=2) for n in range(4)])
    whole = store.keys()
    assert len(whole) == 8
    faulty.fault = Fault("small pages", methods=("GET",), matching="list-type")
    assert store.keys() == whole
    store.archive.remove("s/2024-01/1+ %", "s/2024-01/2+ %")
    assert len(store.keys()) == 4


# Uploads that were never finished.


def uploads(name: str) -> int:
    return requests.get(f"{S3}/{name}?uploads", timeout=10).text.count("<UploadId>")


def test_a_failed_multipart_upload_is_aborted(store: Store, faulty: FaultyS3, name: str) -> None:
    faulty.fault = Fault("refuse", methods=("PUT",), status=403, code="AccessDenied")
    assert failing(store, LARGE).code == "ARCHIVE_DENIED"
    assert len(faulty.requests("DELETE", "uploadId")) == 1
    assert uploads(name) == 0


def test_an_upload_that_could_not_be_aborted_is_found_by_the_sweep(
    store: Store, faulty: FaultyS3, name: str
) -> None:
    stage = staged(store.archive, FOLDER, {"a.bin": LARGE})
    faulty.fault = Fault("refuse", methods=("PUT", "DELETE"), status=403, code="AccessDenied")
    with pytest.raises(SyncError):
        store.archive.publish([stage])
    assert uploads(name) == 1
    store.archive.sweep("w1")  # it cannot be done now, and is not forgotten
    assert (uploads(name), store.archive.owners()) == (1, ["w1"])
    faulty.fault = None
    store.archive.sweep("w1")
    assert (uploads(name), store.archive.owners()) == (0, [])


def test_an_abandoned_upload_of_another_host_is_aborted_and_others_keys_are_left(
    store: Store, name: str
) -> None:
    for key in ("归 档/a/s/x", "other/s/x"):
        requests.post(f"{S3}/{name}/{key}?uploads", timeout=10).raise_for_status()
    assert uploads(name) == 2
    now = datetime.now(UTC)
    assert store.archive.tidy(now - timedelta(days=365 * 40)) == 0
    assert store.archive.tidy(now) == 1
    assert uploads(name) == 1


def test_trials_that_were_left_behind_are_removed_when_they_are_old(
    store: Store, faulty: FaultyS3
) -> None:
    faulty.fault = Fault("refuse", methods=("DELETE",), status=403, code="AccessDenied")
    with pytest.raises(SyncError) as error:
        store.archive.probe(0)
    assert error.value.params["detail"] == "s3:DeleteObject: 403 AccessDenied"
    faulty.fault = None
    assert store.keys() == []
    now = datetime.now(UTC)
    assert store.archive.tidy(now) == 0
    assert store.archive.tidy(now + timedelta(days=2)) == 1


# Resources and secrets.


def test_files_of_a_group_are_sent_at_once(store: Store, faulty: FaultyS3) -> None:
    store.archive.publish([store.staged(f"s/2024-01/{n}", files=4) for n in range(20)])
    assert 4 <= max(one.at_once for one in faulty.seen) <= 20


def test_a_large_file_is_never_in_memory(name: str, tmp_path: Path) -> None:
    archive = s3_archive(name, tmp_path / "scratch")
    stage = archive.stage(FOLDER, owner="w1")
    digest, piece = hashlib.sha256(), bytes(1 << 20)
    with stage.path("a.bin").open("wb") as file:
        for _ in range(100):
            file.write(piece)
            digest.update(piece)
    stage.note("a.bin", size=100 << 20, sha256=digest.hexdigest())
    tracemalloc.start()
    archive.publish([stage])
    with archive.open(KEY) as stream:
        while stream.read(1 << 20):
            pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 32 << 20


def test_the_secret_is_never_seen(
    name: str, faulty: FaultyS3, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    archive = s3_archive(name, tmp_path, endpoint=faulty.url)
    texts = [repr(archive), repr(vars(archive)), repr(s3_place(name)), repr(KEYS)]
    for kind in ("refuse", "drop", "lose answer"):
        faulty.fault = Fault(kind, status=403, code="SignatureDoesNotMatch")
        with pytest.raises(SyncError) as error:
            archive.probe(0)
        texts += [str(error.value), repr(error.value), repr(error.value.params)]
    everything = "\n".join([*texts, caplog.text])
    assert KEYS.secret_key not in everything
    assert "Signature=" not in everything


def test_an_archive_without_keys_says_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SyncError) as error:
        S3Archive(s3_place(name), None, tmp_path / "scratch").probe(0)
    assert error.value.code == "ARCHIVE_CREDENTIALS"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    S3Archive(s3_place(name), None, tmp_path / "scratch").probe(0)


def test_every_code_is_in_the_catalogue() -> None:
    words = ("BUSY", "UNREACHABLE", "UNPROVED", "TAKEN", "REFUSED", "SCRATCH", "SCRATCH_FULL")
    assert all(f"ARCHIVE_{word}" in PROBLEMS for word in words)
