"""OFD (GB/T 33190-2016): a ZIP of XML, checked from ``OFD.xml`` down to each page's content.

It is not rendered: whether it looks right is for the eye, whether it is all there is for this.
"""

from __future__ import annotations

import posixpath
import zipfile

from portal.errors import SyncError
from portal.sync.checks.inspection import FileFacts
from portal.sync.checks.rules import CompatibilityRules
from portal.sync.checks.xml_text import Element, elements
from portal.sync.checks.zipped import check_contents, open_zip

ROOT = "OFD.xml"


def read(path: str, kind: str, rules: CompatibilityRules, *, decode: bool) -> FileFacts:
    """Check that every page is there, and what lies in the members.

    :raises SyncError: FILE_CORRUPT, FILE_HOSTILE or FILE_PAGES_HIGH
    """
    with open_zip(path) as archive:
        pages = members_of_pages(archive, rules.max_pages)
        if not pages:
            raise SyncError("FILE_CORRUPT", detail="ofd: no pages")
        for page in dict.fromkeys(pages):
            elements_of(archive, page)
        check_contents(archive)
    return FileFacts(kind, len(pages))


def members_of_pages(archive: zipfile.ZipFile, limit: int) -> list[str]:
    """The member of each page's content, in the order of the documents in the package.

    :raises SyncError: FILE_PAGES_HIGH beyond ``limit``
    """
    roots = [element.text for element in elements_of(archive, ROOT, "DocRoot")]
    pages: list[str] = []
    for document in (_resolve(ROOT, root) for root in roots):
        pages += [
            _resolve(document, page.attributes["BaseLoc"])
            for page in elements_of(archive, document, "Page")
            if "BaseLoc" in page.attributes
        ]
        if len(pages) > limit:
            raise SyncError("FILE_PAGES_HIGH", actual=len(pages), limit=limit)
    return pages


def _resolve(base: str, location: str) -> str:
    """A location as OFD writes it: relative to the member it stands in, or from the root."""
    location = location.strip()
    start = "" if location.startswith("/") else posixpath.dirname(base)
    member = posixpath.normpath(posixpath.join(start, location.lstrip("/")))
    if member.split("/")[0] == "..":
        raise SyncError("FILE_HOSTILE", detail="ofd: a location outside the package")
    return member


def elements_of(archive: zipfile.ZipFile, member: str, *wanted: str) -> list[Element]:
    """The wanted elements of a member; :raises SyncError: FILE_CORRUPT or FILE_HOSTILE."""
    try:
        info = archive.getinfo(member)
    except KeyError as error:
        raise SyncError("FILE_CORRUPT", detail=f"ofd: {member[-60:]} is missing") from error
    with archive.open(info) as content:
        return elements(content, *wanted)
