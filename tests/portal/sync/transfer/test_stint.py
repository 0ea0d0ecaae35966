from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from portal.errors import LedgerAway, SyncError
from portal.sync.archive.base import Stage
from portal.sync.archive.local import LocalArchive
from portal.sync.checks.pool import InspectorPool
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.download import Downloader, DownloadOptions
from portal.sync.throttle.level import Report, Share
from portal.sync.transfer import stint as stint_module
from portal.sync.transfer.blame import Blame
from portal.sync.transfer.retry import MAX_ATTEMPTS
from portal.sync.transfer.stint import Stint, StintOptions
from portal.sync.transfer.work import ArchivedFile, Control, Recheck
from tests.portal.fake_source import FakeSource, make_file
from tests.portal.sync.transfer.fake_desk import FakeDesk, FileServer, body_of, make_claim


@pytest.fixture(scope="module")
def inspectors() -> Iterator[InspectorPool]:
    with InspectorPool(1) as pool:
        yield pool


@pytest.fixture
def server() -> Iterator[FileServer]:
    server = FileServer()
    yield server
    server.close()


@pytest.fixture
def downloader() -> Iterator[Downloader]:
    downloader = Downloader(DownloadOptions())
    yield downloader
    downloader.close()


class Place:
    """Everything a stint needs, and a look at what it left."""

    def __init__(self, root: Path, parts: dict[str, Any], server: FileServer) -> None:
        self.root = root
        self.archive = LocalArchive(root)
        self.source = FakeSource(address=server.address)
        self._parts = parts

    def stint(self, desk: FakeDesk, **changes: Any) -> Stint:
        options = StintOptions(owner="w1", seconds=0.0)
        desk.share = Share(window=changes.pop("level", 8))
        parts: dict[str, Any] = {
            "desk": desk,
            "source": self.source,
            "archive": self.archive,
            "rules": CompatibilityRules(),
            "options": options,
            "blame": Blame(self.source, self.archive),
            "stopping": lambda: False,
        }
        return Stint(**{**self._parts, **parts, **changes})

    def published(self) -> list[str]:
        return sorted(key for key, _ in self.archive.walk())

    def everything(self) -> list[str]:
        """Every file below the root, those on their way in too."""
        return sorted(
            path.relative_to(self.root).as_posix()
            for path in self.root.rglob("*")
            if path.is_file()
        )


@pytest.fixture
def place(
    tmp_path: Path, inspectors: InspectorPool, downloader: Downloader, server: FileServer
) -> Place:
    return Place(tmp_path / "archive", {"inspectors": inspectors, "downloader": downloader}, server)


def test_documents_arrive_whole_with_what_was_measured(place: Place) -> None:
    desk = FakeDesk([make_claim(number, count=3) for number in range(4)])
    assert place.stint(desk, level=3).run() == 4
    assert place.everything() == place.published()
    assert len(place.published()) == 12
    for number, result in desk.settled.items():
        assert result.error is None
        assert [file.file_id for file in result.files] == [f"f-{number}-{n}" for n in (1, 2, 3)]
        for file in result.files:
            stored = (place.root / file.storage_key).read_bytes()
            assert stored == body_of(file.file_id)
            assert file.sha256 == hashlib.sha256(stored).hexdigest()
            assert (file.size, file.kind) == (len(stored), "txt")
    assert desk.released == []


def test_nothing_to_do_is_nothing_done(place: Place) -> None:
    assert place.stint(FakeDesk([])).run() == 0
    assert not place.root.exists()


SHA256 = hashlib.sha256(b"something else").hexdigest()
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(200)


@pytest.mark.parametrize(
    ("answer", "declared", "code"),
    [
        ((404, {}, b"gone"), {}, "SRC_NOT_FOUND"),
        ((503, {}, b"busy"), {}, "SRC_SERVER_ERROR"),
        ((200, {"Content-Length": "900"}, b"short"), {}, "SRC_SHORT_BODY"),
        ((200, {}, b"<html><body>login</body></html>"), {}, "SRC_HTML"),
        (None, {"size": 7}, "FILE_SIZE_MISMATCH"),
        (None, {"size": 10**6}, "FILE_SIZE_MISMATCH"),
        (None, {"sha256": SHA256}, "FILE_DIGEST_MISMATCH"),
        (None, {"md5": "0" * 32}, "FILE_DIGEST_MISMATCH"),
        ((200, {}, JPEG), {}, "FILE_TYPE_MISMATCH"),
    ],
)
def test_one_bad_file_fails_its_document_and_nothing_of_it_is_left(
    place: Place, server: FileServer, answer: Any, declared: dict[str, Any], code: str
) -> None:
    if answer is not None:
        server.answers["f-1-2"] = answer
    files = (make_file(1, 1), make_file(1, 2, **declared), make_file(1, 3))
    desk = FakeDesk([make_claim(0, count=2), make_claim(1, files=files), make_claim(2, count=2)])
    place.stint(desk).run()
    assert desk.codes == {0: None, 1: code, 2: None}
    assert desk.settled[1].failed_file_id == "f-1-2"
    assert desk.settled[1].files == ()
    assert place.everything() == place.published()
    assert not [key for key in place.published() if "/D1/" in key]


def test_a_file_beyond_the_limit_is_refused(place: Place) -> None:
    desk = FakeDesk([make_claim(0)])
    place.stint(desk, rules=CompatibilityRules(max_bytes=100)).run()
    assert desk.codes == {0: "FILE_TOO_LARGE"}
    assert place.everything() == []


def test_a_file_refused_for_the_rate_waits_and_its_document_is_not_to_blame(
    place: Place, server: FileServer
) -> None:
    server.answers["f-0-2"] = (429, {"Retry-After": "7"}, b"")
    desk = FakeDesk([make_claim(0, count=3)])

    def relent(report: Report) -> None:
        if report.throttled:
            server.answers.clear()

    desk.heard = relent
    assert place.stint(desk).run() == 1
    assert desk.codes == {0: None}
    assert server.asked.count("f-0-2") == 2
    assert [report.retry_after for report in desk.reports if report.throttled] == [7.0]


def test_a_share_of_nothing_ends_the_stint(place: Place, server: FileServer) -> None:
    desk = FakeDesk([make_claim(0)])
    assert place.stint(desk, level=0).run() == 0
    assert (desk.codes, server.asked) == ({}, [])


def test_a_stale_token_is_renewed_once_for_all(place: Place, server: FileServer) -> None:
    server.tokens = {"token-2"}
    desk = FakeDesk([make_claim(number, count=2) for number in range(3)])
    place.stint(desk).run()
    assert set(desk.codes.values()) == {None}
    assert place.source.tokens == 2


def test_a_token_refused_again_fails_the_document(place: Place, server: FileServer) -> None:
    server.tokens = set()
    desk = FakeDesk([make_claim(0)])
    place.stint(desk).run()
    assert desk.codes == {0: "SRC_UNAUTHORIZED"}
    assert server.asked == ["f-0-1", "f-0-1"]


def test_a_redirect_goes_where_the_source_allows(place: Place, server: FileServer) -> None:
    server.answers["f-0-1"] = (302, {"Location": "/files/elsewhere"}, b"")
    desk = FakeDesk([make_claim(0)])
    place.stint(desk).run()
    assert desk.codes == {0: None}
    assert (place.root / "s/2024-01/D0/01-attachment.txt").read_bytes() == body_of("elsewhere")


def test_what_an_earlier_claim_left_is_removed(place: Place) -> None:
    place.stint(FakeDesk([make_claim(0)])).run()
    desk = FakeDesk([make_claim(0, folder="s/2024-01/D0~2", leftovers=("s/2024-01/D0",))])
    place.stint(desk).run()
    assert place.published() == ["s/2024-01/D0~2/01-attachment.txt"]


# Stopping.


def test_a_stop_ends_the_stint_though_the_source_is_silent(
    place: Place, server: FileServer
) -> None:
    """The last answer never comes; what is not whole goes back, and nothing of it stays."""
    server.held = {"f-1-2"}
    desk = FakeDesk([make_claim(0), make_claim(1, count=2)])
    desk.say = lambda: Control(stop=server.waiting.is_set())
    assert place.stint(desk).run() == 1
    assert desk.codes == {0: None}
    assert desk.released == [1]
    assert place.everything() == ["s/2024-01/D0/01-attachment.txt"]
    assert not server.go.is_set()


def test_a_process_that_ends_stops_its_stint_too(place: Place, server: FileServer) -> None:
    server.held = {"f-0-1"}
    desk = FakeDesk([make_claim(0)])
    place.stint(desk, stopping=server.waiting.is_set).run()
    assert (desk.codes, desk.released) == ({}, [0])
    assert place.everything() == []


def test_what_arrives_within_the_grace_is_recorded(
    place: Place, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stint_module, "STOP_GRACE_SECONDS", 60.0)
    server.held = {"f-0-1"}
    desk = FakeDesk([make_claim(0)])

    def stop() -> Control:
        if server.waiting.is_set():
            server.go.set()
            return Control(stop=True)
        return Control()

    desk.say = stop
    assert place.stint(desk).run() == 1
    assert (desk.codes, desk.released) == ({0: None}, [])


def test_what_was_not_begun_goes_back_at_once(place: Place, server: FileServer) -> None:
    server.held = {"f-0-1", "f-1-1"}
    desk = FakeDesk([make_claim(number, count=2) for number in range(4)])
    desk.generous = True
    desk.say = lambda: Control(stop=server.waiting.is_set())
    place.stint(desk, level=1).run()
    assert desk.released == [1, 2, 3, 0]
    assert server.asked == ["f-0-1"]


def test_claims_grow_while_they_are_used_up_soon(place: Place) -> None:
    desk = FakeDesk([make_claim(number) for number in range(300)])
    assert place.stint(desk, level=4).run() == 300
    assert desk.limits[0] == 4
    assert all(later <= 2 * earlier for earlier, later in pairwise(desk.limits))
    assert 4 < max(desk.limits) <= stint_module.MOST_CLAIMED


def test_giving_way_ends_what_was_begun_and_claims_no_more(
    place: Place, server: FileServer
) -> None:
    server.held = {"f-0-1"}
    desk = FakeDesk([make_claim(number) for number in range(3)])

    def give_way() -> Control:
        server.go.set()
        return Control(give_way=True)

    desk.say = give_way
    assert place.stint(desk, level=1).run() == 1
    assert desk.codes == {0: None}
    assert len(desk.waiting) + len(desk.released) == 2


def test_a_lost_lease_drops_the_document_and_no_other(
    place: Place, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stint_module, "RENEW_SECONDS", 0.0)
    server.held = {"f-0-1", "f-1-2"}
    desk = FakeDesk([make_claim(0, count=2), make_claim(1, count=2)])

    def lose() -> Control:
        if server.waiting.is_set():
            if desk.lost:
                server.go.set()
            desk.lost = frozenset({0})
        return Control()

    desk.say = lose
    place.stint(desk).run()
    assert desk.codes == {1: None}
    assert desk.released == []
    assert place.everything() == [
        "s/2024-01/D1/01-attachment.txt", "s/2024-01/D1/02-attachment.txt",
    ]  # fmt: skip


# Publishing and recording.


class FullArchive(LocalArchive):
    """Has no room for what is published."""

    def publish(self, stages: Sequence[Stage]) -> None:
        raise SyncError("ARCHIVE_FULL")


def test_what_cannot_be_published_fails_and_leaves_nothing(place: Place) -> None:
    desk = FakeDesk([make_claim(number, count=2) for number in range(3)])
    place.stint(desk, archive=FullArchive(place.root)).run()
    assert desk.codes == {}
    assert desk.causes == ["ARCHIVE_FULL"]
    assert sorted(desk.released) == [0, 1, 2]
    assert place.everything() == []


class TroubledArchive(LocalArchive):
    """Fails to publish some folders; a probe finds nothing wrong with it."""

    def __init__(self, root: Path, code: str, *folders: str) -> None:
        super().__init__(root)
        self._code = code
        self._folders = folders

    def publish(self, stages: Sequence[Stage]) -> None:
        good = [stage for stage in stages if stage.folder not in self._folders]
        if len(good) < len(stages):
            raise SyncError(self._code, detail="s3:PutObject")
        super().publish(good)


@pytest.mark.parametrize("code", ["ARCHIVE_UNREACHABLE", "ARCHIVE_BUSY", "ARCHIVE_DENIED"])
def test_an_outage_of_the_archive_costs_nothing_even_when_it_is_over_at_once(
    place: Place, code: str
) -> None:
    desk = FakeDesk([make_claim(number, attempt=MAX_ATTEMPTS) for number in range(3)])
    archive = TroubledArchive(place.root, code, *(f"s/2024-01/D{n}" for n in range(3)))
    place.stint(desk, archive=archive, blame=Blame(place.source, archive)).run()
    assert (desk.codes, desk.causes) == ({}, [code])
    assert sorted(desk.released) == [0, 1, 2]
    assert place.everything() == []


def test_what_is_wrong_with_one_document_only_is_not_its_groups_fault(place: Place) -> None:
    desk = FakeDesk([make_claim(number) for number in range(5)])
    archive = TroubledArchive(place.root, "ARCHIVE_REFUSED", "s/2024-01/D3")
    place.stint(desk, archive=archive, blame=Blame(place.source, archive)).run()
    assert desk.codes == {0: None, 1: None, 2: None, 3: "ARCHIVE_REFUSED", 4: None}
    assert desk.causes == []
    assert len(place.everything()) == 4


class SlowArchive(LocalArchive):
    """Begins to publish when many files wait for it, or when no more come for a second."""

    def __init__(self, root: Path, many: int) -> None:
        super().__init__(root)
        self.most_waiting = 0
        self._incoming = root / ".incoming"
        self._many = many

    def publish(self, stages: Sequence[Stage]) -> None:
        deadline = time.monotonic() + 1.0
        while self._waiting() < self._many and not self.most_waiting:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        self.most_waiting = max(self.most_waiting, self._waiting())
        super().publish(stages)

    def _waiting(self) -> int:
        return len(list(self._incoming.rglob("*.txt")))


def test_no_more_is_fetched_while_much_waits_for_the_archive(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stint_module, "MOST_BACKLOG_BYTES", 1)
    monkeypatch.setattr(stint_module, "GROUP_SIZE", 2)
    monkeypatch.setattr("portal.sync.transfer.flights.MOST_INSPECTIONS_WAITING", 2)
    archive = SlowArchive(place.root, many=30)
    desk = FakeDesk([make_claim(number) for number in range(40)])
    place.stint(desk, archive=archive, level=2).run()
    assert len(desk.settled) == 40
    assert archive.most_waiting <= 10  # two groups, what is in flight, what is being checked


class AwayArchive(LocalArchive):
    """Cannot be read."""

    def open(self, key: str) -> BinaryIO:
        raise SyncError("ARCHIVE_UNREACHABLE", detail=key)


def test_an_archive_that_is_away_says_nothing_about_what_it_holds(place: Place) -> None:
    there = ArchivedFile("f-0-1", "s/2024-01/D0/01-attachment.txt", 5, "0" * 64)
    recheck = Recheck((there,), redescribed=False, declared=True, folders=frozenset())
    desk = FakeDesk([replace(make_claim(0), recheck=recheck)])
    archive = AwayArchive(place.root)
    place.stint(desk, archive=archive, blame=Blame(place.source, archive)).run()
    assert (desk.codes, desk.causes, desk.released) == ({}, ["ARCHIVE_UNREACHABLE"], [0])


def test_a_source_that_is_down_is_held_and_no_document_is_to_blame(
    place: Place, server: FileServer
) -> None:
    server.answers |= {f"f-{number}-1": (503, {}, b"") for number in range(4)}
    place.source.before_check = refuse("SRC_SERVER_ERROR")
    desk = FakeDesk([make_claim(number) for number in range(4)])
    place.stint(desk).run()
    assert (desk.codes, desk.causes) == ({}, ["SRC_SERVER_ERROR"])
    assert sorted(desk.released) == [0, 1, 2, 3]


def test_a_source_that_is_there_leaves_the_blame_with_the_documents(
    place: Place, server: FileServer
) -> None:
    server.answers |= {f"f-{number}-1": (503, {}, b"") for number in range(4)}
    desk = FakeDesk([make_claim(number) for number in range(4)])
    place.stint(desk).run()
    assert set(desk.codes.values()) == {"SRC_SERVER_ERROR"}
    assert (desk.causes, desk.released) == ([], [])


def test_nobody_is_given_up_in_the_moment_in_which_a_source_goes_down(
    place: Place, server: FileServer
) -> None:
    """What was served in the same half second does not tell that it is still there."""
    server.answers["f-1-1"] = (503, {}, b"")
    place.source.before_check = refuse("SRC_SERVER_ERROR")
    desk = FakeDesk([make_claim(0), make_claim(1, attempt=MAX_ATTEMPTS)])
    place.stint(desk).run()
    assert (desk.codes, desk.causes, desk.released) == ({0: None}, ["SRC_SERVER_ERROR"], [1])


def test_what_fails_at_once_does_not_run_ahead_of_the_ledger(
    place: Place, server: FileServer
) -> None:
    """A desk that hands out no more after the first failures, as one does that holds."""
    server.answers |= {f"f-{number}-1": (404, {}, b"") for number in range(300)}
    desk = FakeDesk([make_claim(number) for number in range(300)])
    give = desk.claim
    desk.claim = lambda limit: [] if desk.settled else give(limit)  # type: ignore[method-assign]
    place.stint(desk).run()
    assert 0 < len(desk.settled) < stint_module.MOST_UNHEARD_FAILURES + 2 * 8


def test_credentials_that_are_refused_hold_at_once(place: Place, server: FileServer) -> None:
    place.source.before_check = refuse("SRC_CREDENTIALS")
    place.source.before_token = refuse("SRC_CREDENTIALS")
    desk = FakeDesk([make_claim(0)])
    place.stint(desk).run()
    assert (desk.codes, desk.causes, desk.released) == ({}, ["SRC_CREDENTIALS"], [0])


def refuse(code: str) -> Callable[[], None]:
    def fail() -> None:
        raise SyncError(code, status=503, detail="1200")

    return fail


def test_a_group_of_which_some_was_published_is_taken_back_whole(place: Place) -> None:
    stranger = place.root / "s" / "2024-01" / "D2"
    stranger.mkdir(parents=True)
    (stranger / "x").write_text("in the way")
    desk = FakeDesk([make_claim(number) for number in range(4)])
    place.stint(desk).run()
    wrong = {number for number, code in desk.codes.items() if code == "ARCHIVE_UNWRITABLE"}
    assert 2 in wrong
    good = {number for number, code in desk.codes.items() if code is None}
    assert good | wrong == {0, 1, 2, 3}
    left = {key.split("/")[2] for key in place.published()}
    assert left - {"D2"} == {f"D{number}" for number in good}


def test_a_commit_that_fails_is_tried_again(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    desk = FakeDesk([make_claim(0)])
    desk.failures = 2
    assert place.stint(desk).run() == 1
    assert (desk.codes, len(desk.groups)) == ({0: None}, 1)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_a_stop_ends_the_waiting_for_a_ledger_that_is_away(place: Place) -> None:
    desk = FakeDesk([make_claim(0)])
    desk.failures = 100
    with pytest.raises(LedgerAway):
        place.stint(desk, stopping=lambda: desk.failures < 100).run()
    assert desk.codes == {}


def test_a_commit_that_breaks_is_raised_and_nothing_is_held(place: Place) -> None:
    desk = FakeDesk([make_claim(0)])
    desk.failures, desk.failure = 100, RuntimeError
    with pytest.raises(RuntimeError):
        place.stint(desk).run()
    assert desk.codes == {}
    # What it published without a record is removed by the next claim, as one of its leftovers.
    again = FakeDesk([make_claim(0, folder="s/2024-01/D0~2", leftovers=("s/2024-01/D0",))])
    place.stint(again).run()
    assert place.everything() == ["s/2024-01/D0~2/01-attachment.txt"]


def test_what_the_ledger_refuses_is_taken_out_of_the_archive(place: Place) -> None:
    desk = FakeDesk([make_claim(0), make_claim(1)])
    desk.refused = {0}
    place.stint(desk).run()
    assert place.everything() == ["s/2024-01/D1/01-attachment.txt"]
