"""What is told of files that have no picture."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest

from portal.errors import SyncError
from portal.sync.archive.local import LocalArchive
from portal.sync.viewing.facts import Facts
from portal.sync.viewing.refusals import NoPicture
from portal.sync.viewing.telling import facts_of

Tell = Callable[[bytes, str], Facts]
OFD = 'xmlns:ofd="http://www.ofdspec.org/2016"'


@pytest.fixture
def told(archive: LocalArchive, keep: Callable[[bytes], str]) -> Tell:
    """Archives bytes and asks what they tell."""
    return lambda content, kind: facts_of(archive, keep(content), kind)


def packed(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in members.items():
            package.writestr(name.replace("__", "/").replace("_xml", ".xml"), text)
    return out.getvalue()


def ofd(custom: str = "", text: str = "电子发票", pages: int = 2) -> bytes:
    page = (
        f"<ofd:Page {OFD}><ofd:Area><ofd:PhysicalBox>0 0 210 140</ofd:PhysicalBox></ofd:Area>"
        f"<ofd:Content><ofd:TextCode>{text}</ofd:TextCode></ofd:Content></ofd:Page>"
    )
    listed = "".join(f'<ofd:Page ID="{n}" BaseLoc="P{n}.xml"/>' for n in range(pages))
    return packed(
        OFD_xml=f"<ofd:OFD {OFD}><ofd:DocBody><ofd:DocInfo><ofd:Title>Invoice</ofd:Title>"
        f"<ofd:CustomDatas>{custom}</ofd:CustomDatas></ofd:DocInfo>"
        "<ofd:DocRoot>D/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>",
        D__Document_xml=f"<ofd:Document {OFD}><ofd:Pages>{listed}</ofd:Pages></ofd:Document>",
        **{f"D__P{n}_xml": page for n in range(pages)},
    )


def test_an_ofd_tells_its_invoice_its_pages_and_its_text(told: Tell) -> None:
    custom = "".join(
        f'<ofd:CustomData Name="{name}">{value}</ofd:CustomData>'
        for name, value in (("发票号码", "24442000000123"), ("价税合计", "106.00"), ("备注", "x"))
    )
    facts = told(ofd(custom), "ofd")
    assert facts.named == (
        ("title", "Invoice"),
        ("invoice_number", "24442000000123"),
        ("total", "106.00"),
        ("备注", "x"),
        ("pages", "2"),
        ("page_size", "210 × 140 mm"),
    )
    assert facts.text == "电子发票\n电子发票"


def test_an_xml_invoice_tells_its_number_and_amounts(told: Tell) -> None:
    body = (
        "<EInvoice><TaxSupervisionInfo><InvoiceNumber>2444</InvoiceNumber></TaxSupervisionInfo>"
        "<EInvoiceData><TotalTax-includedAmount>106.00</TotalTax-includedAmount>"
        "<SellerName>深圳</SellerName></EInvoiceData></EInvoice>"
    )
    for encoding in ("utf-8", "gb18030"):
        text = f'<?xml version="1.0" encoding="{encoding}"?>{body}'
        facts = told(text.encode(encoding), "xml")
        assert dict(facts.named) == {"invoice_number": "2444", "total": "106.00", "seller": "深圳"}
        assert "<SellerName>深圳" in facts.text


def test_text_office_and_zip_tell_what_they_can(told: Tell) -> None:
    assert told("你好\r\n第二行".encode("gb18030"), "txt").text == "你好\n第二行"
    core = "<c:coreProperties xmlns:c='c'><c:title>报告</c:title><c:creator>王</c:creator>"
    office = packed(docProps__core_xml=f"{core}</c:coreProperties>", word="x")
    assert told(office, "ooxml").named == (("title", "报告"), ("author", "王"))
    assert told(packed(a="1", b="22"), "zip").text == "a  1 B\nb  2 B"


def test_a_hostile_file_ends_as_its_own_problem(told: Tell) -> None:
    doctype = b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"
    for content, kind, code in (
        (doctype, "xml", "FILE_HOSTILE"),
        (b"<a>", "xml", "FILE_CORRUPT"),
        (b"PK\x03\x04 nothing", "ofd", "FILE_CORRUPT"),
        (packed(OFD_xml="<!DOCTYPE a []><a/>"), "ofd", "FILE_HOSTILE"),
    ):
        with pytest.raises(SyncError) as caught:
            told(content, kind)
        assert caught.value.code == code


def test_what_is_told_is_bounded_and_printable(told: Tell) -> None:
    facts = told(("\u202e" + "x" * 100_000 + "\n").encode(), "txt")
    assert len(facts.text) <= 6000
    assert "\u202e" not in facts.text
    many = "".join(f'<ofd:CustomData Name="n{n}">{"v" * 2000}</ofd:CustomData>' for n in range(500))
    named = told(ofd(many), "ofd").named
    assert len(named) <= 60
    assert all(len(value) <= 300 for _, value in named)


def test_a_picture_has_none(told: Tell) -> None:
    with pytest.raises(NoPicture):
        told(b"x", "jpeg")
