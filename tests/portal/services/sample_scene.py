"""A source that lists the documents of a scene and hands out their files over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from portal.models import Sample, Verdict
from portal.services import drawing, manifests, samples
from portal.services.opening import OpenSource
from portal.sync.archive.local import LocalArchive
from portal.sync.download import Downloader, DownloadOptions
from portal.sync.sources.rows import SourceDocument
from tests.portal.fake_source import FakeSource
from tests.portal.ledger_scene import BY, SHANGHAI, Scene

NONCE = "骰子 4 2 6 1 3 5"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        bodies: dict[str, bytes] = self.server.bodies  # type: ignore[attr-defined]
        body = bodies.get(self.path.rpartition("/")[2])
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def file_server(bodies: dict[str, bytes]) -> Iterator[str]:
    """The address of a server of these bodies by file id; they may change meanwhile."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.bodies = bodies  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def opened_source(documents: Sequence[SourceDocument], address: str) -> OpenSource:
    """A source with these documents, whose files are at the address."""
    return OpenSource(FakeSource(documents, address=address), Downloader(DownloadOptions()))


class Sampling:
    """Samples of January 2024 of the scene's source, step by step."""

    def __init__(self, scene: Scene, home: Path) -> None:
        self.scene = scene
        self.home = home
        self.archive = LocalArchive(home / "archive")

    def asked(self, **words: str) -> int:
        with self.scene.ledger.write() as session:
            scene = self.scene
            words = {"month": "2024-01", **words}
            return samples.ask(session, scene.source_id, by=BY, now=scene.now, **words).id

    def find(self, sample_id: int) -> Sample:
        with self.scene.ledger.read() as session:
            return samples.find(session, sample_id)

    def made(self, sample_id: int) -> manifests.Manifest:
        made = manifests.make(self.scene.ledger, self.find(sample_id), self.home, zone=SHANGHAI)
        manifests.keep_made(self.archive, sample_id, made, owner="clerk")
        return made

    def manifest(self, sample_id: int) -> Path:
        """Where the sealed manifest lies."""
        folder = manifests.folder_of(sample_id, str(self.find(sample_id).manifest_sha256))
        return self.home / "archive" / ".kept" / folder / "manifest"

    def sealed(self, **words: str) -> int:
        sample_id = self.asked(**words)
        made = self.made(sample_id)
        with self.scene.ledger.write() as session:
            assert samples.seal(session, sample_id, made, by=BY, now=self.scene.now)
        return sample_id

    def draw(
        self, sample_id: int, *, nonce: str = NONCE, size: str = "3", limit: str = ""
    ) -> Sample:
        drawing.draw_sample(
            self.scene.ledger,
            sample_id,
            self.archive,
            nonce=nonce,
            size=size,
            limit=limit,
            by=BY,
            now=self.scene.now,
        )
        return self.find(sample_id)

    def drawn(self, *, size: str = "3") -> int:
        sample_id = self.sealed()
        self.draw(sample_id, size=size)
        return sample_id

    def judge(self, sample_id: int, position: int, verdict: Verdict, remark: str = "") -> None:
        with self.scene.ledger.write() as session:
            samples.judge(session, sample_id, position, verdict, remark, by=BY, now=self.scene.now)

    def close(self, sample_id: int) -> Sample:
        with self.scene.ledger.write() as session:
            samples.close(session, sample_id, by=BY, now=self.scene.now)
        return self.find(sample_id)
