"""The people, organisations, document types and file titles of the demo tenant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation that files documents (fapplyOrganization…)."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class BillType:
    """A document type; ``short`` begins the document number (billNo)."""

    code: str
    name: str
    short: str


ORGANISATIONS = (
    Organisation("1001", "深圳总部"),
    Organisation("1002", "上海分公司"),
    Organisation("1003", "北京研发中心"),
)
ORGANISATION_WEIGHTS = (5, 3, 2)

BILL_TYPES = (
    BillType("FYBX", "费用报销单", "FY"),
    BillType("CLBX", "差旅报销单", "CL"),
    BillType("DGFK", "对公付款单", "DG"),
    BillType("JKD", "借款单", "JK"),
)
BILL_TYPE_WEIGHTS = (4, 3, 2, 1)

# What a file is called, by category (the contract's word) and suffix.
TITLES: dict[tuple[str, str], tuple[str, ...]] = {
    ("cover", "jpg"): ("封面",),
    ("cover", "png"): ("封面",),
    ("invoice", "pdf"): (
        "数电发票",
        "增值税电子普通发票",
        "增值税电子专用发票",
        "航空电子客票行程单",
    ),
    ("invoice", "jpg"): ("增值税专用发票", "住宿费发票", "出租车发票", "餐饮发票", "火车票"),
    ("invoice", "ofd"): ("数电发票", "铁路电子客票", "增值税电子普通发票"),
    ("invoice", "xml"): ("数电发票",),
    ("attach", "jpg"): ("会议签到表", "付款回单", "审批单照片", "入库单"),
    ("attach", "pdf"): ("采购合同", "出差申请单", "银行回单", "会议通知"),
    ("attach", "tif"): ("合同扫描件", "验收报告", "招标文件"),
    ("attach", "png"): ("支付截图", "聊天记录截图", "行程截图"),
}

_FAMILY_NAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余"
# A given name is one of the first characters, followed by one of the second or by nothing.
_GIVEN_FIRST = "建志雪晓海文子雨思嘉俊晨浩欣立国玉春振宇"
_GIVEN_SECOND = ("", "华", "强", "梅", "东", "燕", "博", "轩", "桐", "远", "怡", "杰")


def applicant(number: int) -> str:
    """The name of the person who filed; about ten thousand people share the documents."""
    number, family = divmod(number, len(_FAMILY_NAMES))
    number, first = divmod(number, len(_GIVEN_FIRST))
    second = _GIVEN_SECOND[number % len(_GIVEN_SECOND)]
    return _FAMILY_NAMES[family] + _GIVEN_FIRST[first] + second
