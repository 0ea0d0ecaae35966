"""Viewers and an admin who look all the time, as a process of their own.

``python -m tests.soak.audience ADDRESS TOKEN PASSWORD FOLDER``: FOLDER/current names the batch
that runs; when it is asked to end, FOLDER/audience.json says what failed.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from tests.functional.viewers import Admin, Viewer, Waited

VIEWERS, POLLS, EVERY_SECONDS = 16, 4, 2.0
CALLS: tuple[tuple[str, dict[str, object]], ...] = (("beat", {}), ("idleBeat", {"jobId": 999_999}))
_PAGES = ("/batches/{}", "/batches/{}/failures", "/batches/", "/", "/months/", "/jobs/")


async def attend(address: str, token: str, password: str, folder: Path) -> Waited:
    """Look until SIGTERM."""
    waited, until = Waited(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, until.set)
    current = folder / "current"

    def shown(page: str) -> str:
        batch = current.read_text()
        return page.format(batch) if batch else "/batches/"

    def made(number: int, page: str) -> Viewer:
        name = f"viewer-{number}"
        return Viewer(address, name, password, lambda: shown(page))

    viewers = [made(number, _PAGES[number % len(_PAGES)]) for number in range(VIEWERS)]
    admin = Admin(address, token, CALLS, EVERY_SECONDS)
    for number, viewer in enumerate(viewers):
        await viewer.log_in("en" if number % 3 else "zh_Hans_CN")
    await asyncio.gather(
        *(viewer.look(waited, until, after=0.2 * n) for n, viewer in enumerate(viewers)),
        *(admin.poll(waited, until, after=0.1 * number) for number in range(POLLS)),
    )
    return waited


def main() -> None:
    """Look, then say what failed."""
    address, token, password, folder = sys.argv[1:]
    waited = asyncio.run(attend(address, token, password, Path(folder)))
    asked = {name: len(taken) for name, taken in waited.milliseconds.items()}
    report = {"asked": asked, "failures": waited.failures}
    Path(folder, "audience.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
