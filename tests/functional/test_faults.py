"""Every fault the demo source knows: what is healthy arrives, nothing wrong counts as success."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.sync.transfer.retry import MAX_ATTEMPTS
from tests.functional.installation import DemoSource, Installation, wait_for

pytestmark = pytest.mark.faults

StartSource = Callable[..., DemoSource]

# One month of the tenant for each. The shares hit a file on its first try only, so that trying
# again brings it.
FAULTS: dict[str, dict[str, float]] = {
    "tokens that expire": {"expire_after": 20, "latency": 0.05},
    "429 with Retry-After": {"rate": 30, "retry_after": 1},
    "429 without": {"rate": 30},
    "503, short bodies, stalls and web pages": {
        "error_share": 0.15,
        "short_share": 0.15,
        "stall_share": 0.15,
        "stall_seconds": 1,
        "html_share": 0.15,
    },
}
SMALL_FILES = "--mean-size=40000"


def test_what_is_healthy_arrives_and_what_stays_wrong_fails_with_its_reason(
    site: Installation, start_source: StartSource, subtests: pytest.Subtests
) -> None:
    broken = start_source("--documents=12", "--months=1", SMALL_FILES)
    broken.switch(html_share=1, fault_tries=99)
    site.add_source(broken, "坏的")
    source = start_source(f"--documents={24 * len(FAULTS)}", f"--months={len(FAULTS)}", SMALL_FILES)
    site.add_source(source)
    site.start_up()
    hopeless = site.create_batch("2024-01-01", "2024-01-31", source="坏的")
    site.trigger({"batch": hopeless})
    planted = {defect["code"] for defect in source.expected()["defects"]}
    for month, (name, faults) in enumerate(FAULTS.items(), start=1):
        source.switch(**faults)
        batch = site.create_batch(f"2024-{month:02}-01", f"2024-{month:02}-28")
        site.trigger({"batch": batch})
        site.wait_until_ended(batch)
        report = site.show(batch)
        with subtests.test(name):
            assert report["total"] > 0
            assert {failure["code"] for failure in report["failures"]} <= planted
            assert report["done"] + report["failed"] == report["total"]
    assert source.most_downloads_of_a_file() <= MAX_ATTEMPTS
    site.wait_until_ended(hopeless)
    report = site.show(hopeless)
    codes = {failure["code"]: failure["count"] for failure in report["failures"]}
    assert report["sync_status"] == "failed"
    assert codes == {"SRC_HTML": 10, "META_MISSING_FIELD": 1, "META_NO_IMAGE_NO": 1}
    assert all(failure["action"] for failure in report["failures"])
    done = sum(batch["done"] for batch in site.json("batch", "list"))
    verified = site.json("verify")
    assert verified["findings"] == []
    assert verified["documents"] == done == len(site.archived_folders())
    assert site.incoming_files() == []


def test_a_retry_after_the_source_was_healed_brings_all_healthy_documents(
    site: Installation, start_source: StartSource
) -> None:
    source = start_source("--documents=24", "--months=1", SMALL_FILES)
    # Files that are gone fail at once, so nothing has to wear out its tries.
    source.switch(missing_share=1, fault_tries=99)
    site.add_source(source)
    site.start_up()
    batch = site.create_batch("2024-01-01", "2024-01-31")
    site.trigger({"batch": batch})
    failed = site.wait_until_ended(batch)
    assert failed["sync_status"] == "failed"
    source.switch()
    assert site.run("batch", "retry", batch).code == 0
    report = site.wait_until_ended(batch)
    assert (report["done"], report["failed"]) == (source.healthy(), 6)
    # And again in bulk by the job, which mends nothing and fails the same six.
    run = site.trigger({"retry_failed": True})
    log = wait_for("the run's end", lambda: site.log_of_ended(run))
    assert f"重新同步 {batch} 的 6 份失败单据" in log
    assert site.show(batch)["failed"] == 6
    assert site.json("verify")["findings"] == []
