"""What can be wrong with the answers of count and listing, and how the month must end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.faults.behaviours import (
    cut,
    cut_chunks,
    data_changed,
    deep_json,
    gzipped,
    hang_up,
    html,
    instead,
    redirect,
    refusal,
    reset_at_once,
    status,
    surplus,
    told,
    unframed,
)
from tests.faults.fault_server import Behaviour

Scripts = Mapping[str, tuple[Behaviour, ...]]

#: The pages of the month, of two rows each, and the documents in it.
PAGES, DOCUMENTS = 3, 5


@dataclass(frozen=True)
class ListingFault:
    """Scripts by ``count`` or page number; what follows a script is good.

    :param ever: what these answer whenever they are asked
    :param code: what the month says in the end, None for nothing
    :param status: ``listed`` or ``failed``
    :param documents: how many of them are recorded in the end
    :param first_code: what the month says after the first try
    """

    name: str
    scripts: dict[str, tuple[Behaviour, ...]] = field(default_factory=dict)
    ever: dict[str, Behaviour] = field(default_factory=dict)
    code: str | None = None
    status: str = "listed"
    documents: int = DOCUMENTS
    first_code: str | None = None


def listing_faults(foreign: str) -> Iterator[ListingFault]:
    """All of them.

    :param foreign: the URL of a host that is not the source's
    """
    yield from _passing(foreign)
    yield from _final()
    yield from _disagreeing()


def _passing(foreign: str) -> Iterator[ListingFault]:
    """What a later try mends; every one hits the count and the middle of the listing."""
    passing: dict[str, tuple[Behaviour, str]] = {
        "500": (status("500 Internal Server Error"), "SRC_SERVER_ERROR"),
        "503 with Retry-After": (status("503 Busy", "Retry-After: 9"), "SRC_SERVER_ERROR"),
        "429": (status("429 Too Many Requests"), "SRC_THROTTLED"),
        "errcode": (refusal(), "SRC_BUSINESS_ERROR"),
        "HTML": (html(content_type="text/html"), "SRC_HTML"),
        "HTML as JSON, behind a BOM": (html(b"\xef\xbb\xbf", "application/json"), "SRC_HTML"),
        "cut": (cut(), "SRC_CONNECTION"),
        "cut chunks": (cut_chunks, "SRC_CONNECTION"),
        "cut without a length": (unframed(0.5), "SRC_BAD_ANSWER"),
        "hangs up": (hang_up, "SRC_CONNECTION"),
        "reset": (reset_at_once, "SRC_CONNECTION"),
        "not JSON": (instead(b"OK", "application/json"), "SRC_BAD_ANSWER"),
        "empty": (instead(b"", "application/json"), "SRC_BAD_ANSWER"),
        "deep JSON": (deep_json, "SRC_BAD_ANSWER"),
        "redirect abroad": (redirect(f"{foreign}/x"), "SRC_BAD_ANSWER"),
        "data is a list": (data_changed(lambda _: []), "SRC_BAD_ANSWER"),
    }
    for name, (behaviour, code) in passing.items():
        yield ListingFault(name, {"count": (behaviour,), "2": (behaviour,)}, first_code=code)
    for name, value in {
        "negative": -1,
        "text": "many",
        "missing": None,
        "endless": 10**30,
        "beyond what a column holds": 2**31,
    }.items():
        for where, told_name in (("count", "documents"), ("2", "total")):
            yield ListingFault(
                f"{told_name} is {name}",
                {where: (told(**{told_name: value}),)},
                first_code="SRC_BAD_ANSWER",
            )
    yield ListingFault("another page", {"2": (told(pageNo=7),)}, first_code="SRC_BAD_ANSWER")
    yield ListingFault("no rows", {"2": (told(rows=None),)}, first_code="SRC_BAD_ANSWER")
    # Nothing to be noticed.
    yield ListingFault("gzip", {"2": (gzipped,)})
    yield ListingFault("bytes behind the answer", {"2": (surplus(b"{}"),)})
    yield ListingFault("pageNo as a text", {"2": (told(pageNo="2"),)})


def _final() -> Iterator[ListingFault]:
    """What nobody can mend by asking again, and what is never mended."""
    for line, code in {
        "403 Forbidden": "SRC_FORBIDDEN",
        "404 Not Found": "SRC_NOT_FOUND",
        "405 Method Not Allowed": "SRC_BAD_STATUS",
    }.items():
        yield ListingFault(
            f"{line}, count", {"count": (status(line),)}, code=code, status="failed", documents=0
        )
        yield ListingFault(
            f"{line}, page", {"2": (status(line),)}, code=code, status="failed", documents=2
        )
    for name, behaviour, code in (
        ("500", status("500 Internal Server Error"), "SRC_SERVER_ERROR"),
        ("401", status("401 Unauthorized"), "SRC_UNAUTHORIZED"),
        ("HTML", html(), "SRC_HTML"),
        ("errcode", refusal(), "SRC_BUSINESS_ERROR"),
        ("hanging up", hang_up, "SRC_CONNECTION"),
        ("no JSON", instead(b"OK"), "SRC_BAD_ANSWER"),
    ):
        yield ListingFault(
            f"{name} for ever", ever={"2": behaviour}, code=code, status="failed", documents=2
        )


def _disagreeing() -> Iterator[ListingFault]:
    """Listings and counts that do not fit together."""
    unstable = "SRC_LISTING_UNSTABLE"
    yield ListingFault("total changes once", {"2": (told(total=6),)})
    # Read again and again; in the end what was listed is what was counted.
    yield ListingFault("total changes for ever", ever={"2": told(total=6)})
    yield ListingFault("count too large once", {"count": (told(documents=9),)})
    yield ListingFault("count too large", ever={"count": told(documents=9)}, code=unstable)
    yield ListingFault("count too small", ever={"count": told(documents=3)}, code=unstable)
    small = {str(page): told(total=2) for page in (1, 2, 3)}
    yield ListingFault("total too small", ever=small, code=unstable, documents=2)
    large = {str(page): told(total=9) for page in (1, 2, 3, 4)}
    yield ListingFault("total too large", ever=large, code=unstable)
    yield ListingFault("fewer rows than asked for, once", {"2": (told(rows=[]),)})
    yield ListingFault("fewer rows for ever", ever={"2": told(rows=[])}, code=unstable, documents=2)
    yield ListingFault(
        "a page that repeats once",
        {"2": (_repeating,)},
        code="SRC_LISTING_REPEATS",
        status="failed",
        documents=2,
    )
    yield ListingFault(
        "a page that repeats for ever",
        ever={str(page): _repeating for page in range(1, 99)},
        code="SRC_LISTING_REPEATS",
        status="failed",
        documents=2,
    )
    circle = {str(page): _circle(page) for page in range(1, 99)}
    yield ListingFault(
        "two pages in turn for ever",
        ever=circle,
        code="SRC_LISTING_REPEATS",
        status="failed",
        documents=200,
    )
    yield ListingFault("a document on two pages once", {"2": (data_changed(_overlapping),)})
    yield ListingFault(
        "a document on two pages for ever",
        ever={"2": data_changed(_overlapping)},
        code=unstable,
        documents=4,
    )


def _named(*image_nos: str) -> list[dict[str, Any]]:
    return [
        {
            "scanBillNo": image_no,
            "resource": "EAS",
            "fbillTypeCode": "FYBX",
            "fapplyOrganizationCode": "1001",
            "collectTime": "2024-01-02T09:00:00+08:00",
            "files": [{"fileId": f"{image_no}-1", "fileType": "cover", "fileName": "a.jpg"}],
        }
        for image_no in image_nos
    ]


_repeating = told(total=1000, rows=_named("DOC0", "DOC1"))


def _circle(page: int) -> Behaviour:
    rows = _named(*(f"TURN{page % 2}{number:02d}" for number in range(100)))
    return told(total=10**6, pageNo=page, rows=rows)


def _overlapping(data: dict[str, Any]) -> dict[str, Any]:
    """The second page begins with the last document of the first, and so hides one."""
    shown = data["rows"][1:]
    return data | {"rows": [*_named("DOC1"), *shown]}
