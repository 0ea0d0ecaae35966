"""XML e-invoice base files, in the manner of the fully digital invoice (数电票)."""

from __future__ import annotations

from portal.demo.media import BaseFile

_BIGGEST = 200_000
_GOODS = ("*住宿服务*住宿费", "*餐饮服务*餐费", "*办公用品*打印纸", "*信息技术服务*软件服务费")


def xml_file(target: int) -> BaseFile:
    """An e-invoice of about so many bytes, at most 200 kB; the identity is its number."""
    opening = _OPENING.encode()
    line_size = len(_line(1000).encode())
    count = max(1, (min(target, _BIGGEST) - len(opening)) // line_size)
    lines = "".join(_line(number) for number in range(1, count + 1))
    return BaseFile("xml", opening + lines.encode(), _tail)


def _line(number: int) -> str:
    price = 80 + number * 37 % 900
    return f"""      <IssuItemInformation>
        <ItemName>{_GOODS[number % len(_GOODS)]}</ItemName>
        <MeaUnits>项</MeaUnits>
        <Quantity>1</Quantity>
        <UnPrice>{price}.00</UnPrice>
        <Amount>{price}.00</Amount>
        <TaxRate>0.06</TaxRate>
        <ComTaxAm>{price * 6 // 100}.{price * 6 % 100:02d}</ComTaxAm>
      </IssuItemInformation>
"""


def _tail(identity: bytes) -> bytes:
    return (
        b"    </EInvoiceData>\n    <TaxSupervisionInfo>\n      <InvoiceNumber>"
        + identity
        + b"</InvoiceNumber>\n      <TaxBureauCode>14403</TaxBureauCode>\n"
        + b"    </TaxSupervisionInfo>\n</EInvoice>\n"
    )


_OPENING = """<?xml version="1.0" encoding="UTF-8"?>
<EInvoice>
    <Header>
      <EIid>demo</EIid>
      <EInvoiceTag>SWEI3200</EInvoiceTag>
      <Version>1.0</Version>
      <InherentLabel>
        <EInvoiceType><LabelCode>02</LabelCode><LabelName>普通发票</LabelName></EInvoiceType>
      </InherentLabel>
    </Header>
    <EInvoiceData>
      <SellerInformation>
        <SellerIdNum>91440300DEMO000001</SellerIdNum>
        <SellerName>深圳市示范酒店管理有限公司</SellerName>
      </SellerInformation>
      <BuyerInformation>
        <BuyerIdNum>91440300DEMO000002</BuyerIdNum>
        <BuyerName>示范集团股份有限公司</BuyerName>
      </BuyerInformation>
"""
