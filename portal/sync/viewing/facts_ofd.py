"""What an OFD tells of itself: its document info, the invoice's own data, the text of its pages."""

from __future__ import annotations

from portal.sync.checks.ofd import ROOT, elements_of, members_of_pages
from portal.sync.checks.zipped import open_zip
from portal.sync.viewing.facts import Facts
from portal.sync.viewing.painter_child import PaintOrder

#: Elements of the document info (GB/T 33190-2016, 7.4) and our words for them.
_INFO = {
    "Title": "title",
    "Author": "author",
    "Creator": "application",
    "CreationDate": "created",
    "ModDate": "modified",
}
#: Names under which invoices in OFD carry their data, in the package's own custom data.
_INVOICE = {
    "发票代码": "invoice_code",
    "发票号码": "invoice_number",
    "开票日期": "issued",
    "合计金额": "amount",
    "合计税额": "tax",
    "价税合计": "total",
    "校验码": "check_code",
    "购买方名称": "buyer",
    "购买方纳税人识别号": "buyer_tax_no",
    "销售方名称": "seller",
    "销售方纳税人识别号": "seller_tax_no",
}
_PAGES_READ = 3
_PAGES_AT_MOST = 10_000


def draw(path: str, order: PaintOrder) -> Facts:
    """Read the facts; :raises SyncError: FILE_CORRUPT or FILE_HOSTILE."""
    with open_zip(path) as archive:
        named = []
        for element in elements_of(archive, ROOT, *_INFO, "CustomData"):
            if element.name == "CustomData":
                name = element.attributes.get("Name", "").strip()
                named.append((_INVOICE.get(name, name) or "?", element.text))
            else:
                named.append((_INFO[element.name], element.text))
        pages = members_of_pages(archive, _PAGES_AT_MOST)
        named.append(("pages", str(len(pages))))
        lines = []
        for page in pages[:_PAGES_READ]:
            found = elements_of(archive, page, "PhysicalBox", "TextCode")
            lines += [element.text.strip() for element in found if element.name == "TextCode"]
            if page == pages[0]:
                boxes = [element.text for element in found if element.name == "PhysicalBox"]
                named += [("page_size", _size(box)) for box in boxes[:1]]
    return Facts.made_of(named, "\n".join(filter(None, lines)))


def _size(box: str) -> str:
    """``0 0 210 297`` as a width and a height in millimetres."""
    parts = box.split()
    return f"{parts[2]} × {parts[3]} mm" if len(parts) == 4 else ""
