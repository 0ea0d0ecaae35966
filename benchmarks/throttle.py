"""How close a real installation comes to what its source allows, and how often it is refused.

A demo source with 40 ms latency allows 20, then 5, then 50 requests a second; the installation is
told nothing of it. After a minute to settle, each phase is measured for another minute.

    python benchmarks/throttle.py [--retry-after 1] [--workers 2] [--cap 10]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.functional.installation import DemoSource, Installation

PHASES = (20, 5, 50)
LATENCY = 0.04
SETTLING, MEASURED = 60.0, 60.0


def main() -> None:
    """Run the phases and print a line for each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--retry-after", type=int, help="seconds named in Retry-After")
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--cap", type=float, help="a configured cap on requests a second")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), given)


def run(folder: Path, given: argparse.Namespace) -> None:
    """An installation and its source, from the first phase to the last."""
    outside = Installation(folder / "source")
    source = DemoSource(outside, "--documents=6000", "--months=1", "--mean-size=40000")
    site = Installation(folder / "home", {"PORTAL_WORKERS": str(given.workers)})
    try:
        site.add_source(source)
        if given.cap is not None:
            site.run("source", "add", "演示源", "--rate-cap", str(given.cap))
        site.start_up()
        number = site.create_batch("2024-01-01", "2024-01-31")
        limit(source, PHASES[0], given)
        site.run("batch", "run", number)
        for allowed in PHASES:
            limit(source, allowed, given)
            time.sleep(SETTLING)
            print(phase(site, source, number, allowed), flush=True)
    finally:
        site.kill_all()
        outside.kill_all()


def limit(source: DemoSource, allowed: float, given: argparse.Namespace) -> None:
    """Have the source allow so many requests a second from now on."""
    wait = {} if given.retry_after is None else {"retry_after": given.retry_after}
    source.switch(latency=LATENCY, rate=allowed, **wait)


def phase(site: Installation, source: DemoSource, number: str, allowed: float) -> str:
    """One measured minute: the share used, the share refused, the most in any ten seconds."""
    first = before = source.statistics()
    began = time.monotonic()
    most = 0.0
    while time.monotonic() < began + MEASURED:
        time.sleep(10)
        now = source.statistics()
        most = max(most, (served(now) - served(before)) / 10)
        before = now
    seconds = time.monotonic() - began
    rate = (served(before) - served(first)) / seconds
    refused = (before["throttled"] - first["throttled"]) / max(asked(before) - asked(first), 1)
    level = site.json("batch", "show", number)["level"]
    return (
        f"allowed {allowed:>3}/s: served {rate:5.1f}/s = {rate / allowed:4.0%},"
        f" refused {refused:.2%}, most in 10 s {most:5.1f}/s;"
        f" level {level['rate'] and round(level['rate'], 1)}/s ({level['reason']})"
    )


def asked(statistics: dict[str, Any]) -> int:
    """Calls that count against the rate; the login does not."""
    return sum(int(count) for call, count in statistics["calls"].items() if call != "token")


def served(statistics: dict[str, Any]) -> int:
    """Those of them that were let through."""
    return asked(statistics) - int(statistics["throttled"])


if __name__ == "__main__":
    main()
