"""What XML and plain text tell: an invoice's own data, and how the text begins."""

from __future__ import annotations

from portal.sync.checks.sniff import HEAD_BYTES, text_encodings
from portal.sync.checks.xml_text import elements
from portal.sync.viewing.facts import Facts
from portal.sync.viewing.painter_child import PaintOrder

#: Elements of the fully digital invoice (数电票) and our words for them.
_INVOICE = {
    "InvoiceNumber": "invoice_number",
    "IssueTime": "issued",
    "RequestTime": "issued",
    "SellerName": "seller",
    "SellerIdNum": "seller_tax_no",
    "BuyerName": "buyer",
    "BuyerIdNum": "buyer_tax_no",
    "TotalAmWithoutTax": "amount",
    "TotalTaxAm": "tax",
    "TotalTax-includedAmount": "total",
}
_HEAD_CHARACTERS = 6000


def draw(path: str, order: PaintOrder) -> Facts:
    """Read the facts; :raises SyncError: FILE_CORRUPT or FILE_HOSTILE."""
    named: dict[str, str] = {}
    if order.kind == "xml":
        with open(path, "rb") as file:
            for element in elements(file, *_INVOICE):
                named.setdefault(_INVOICE[element.name], element.text)
    return Facts.made_of(list(named.items()), _beginning(path))


def _beginning(path: str) -> str:
    with open(path, "rb") as file:
        encodings = text_encodings(file.read(HEAD_BYTES))
    if not encodings:
        return ""
    with open(path, encoding=encodings[0], errors="replace") as text:
        return text.read(_HEAD_CHARACTERS)
