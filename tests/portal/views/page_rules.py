"""What holds for every page of the portal, whoever looks at it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tests.portal.views.html_page import Node

# A run of Chinese, with the punctuation inside of it.
CHINESE = re.compile(r"[\u3400-\u9fff][\u3000-\u303f\u3400-\u9fff\uff00-\uffef]*")
_SEEN_ATTRIBUTES = ("alt", "aria-label", "placeholder", "title", "data-confirm")
_UNLABELLED = frozenset({"hidden", "submit", "button"})


def complaints(root: Node) -> list[str]:
    """Broken rules of a page or a part of one."""
    return [
        *(f"id twice: {name}" for name in _twice(root)),
        *(
            f"a form without an action: {form}"
            for form in root.all("form")
            if not form.get("action")
        ),
        *(f"a post without a token: {form}" for form in root.all("form") if _lacks_token(form)),
        *(f"no alt: {image}" for image in root.all("img") if not image.get("alt")),
        *(f"no label: {field}" for field in _fields(root) if not _is_labelled(field, root)),
        *(f"inline: {node} {what}" for node, what in _inline(root)),
        *(f"not loaded from here: {node}" for node in root.walk() if _is_foreign(node)),
    ]


def page_complaints(root: Node) -> list[str]:
    """Broken rules of a whole page."""
    titles = root.all("title")
    html = root.one("html")
    found = complaints(root)
    if len(titles) != 1 or not titles[0].text.split("·")[0].strip():
        found.append(f"titles: {[title.text for title in titles]}")
    if html.get("lang") not in ("zh-Hans", "en"):
        found.append(f"language: {html}")
    if len(root.all("main")) != 1:
        found.append("not exactly one <main>")
    return found


def untranslated(root: Node, data: str) -> list[str]:
    """Chinese on an English page that is neither data nor the way back to Chinese."""
    texts = [
        string
        for node in [root, *root.walk()]
        if node.get("lang") != "zh-Hans" and "mark" not in node.get("class").split()
        for string in (
            *(child for child in node.children if isinstance(child, str)),
            *(node.get(name) for name in _SEEN_ATTRIBUTES),
        )
    ]
    return [run for text in texts for run in CHINESE.findall(text) if run not in data]


def _twice(root: Node) -> list[str]:
    ids = Counter(node.get("id") for node in root.walk() if "id" in node.attributes)
    return [name or "(empty)" for name, count in ids.items() if count > 1 or not name]


def _lacks_token(form: Node) -> bool:
    is_post = form.get("method").lower() == "post"
    tokens = [field for field in form.all("input", name="csrf_token") if field.get("value")]
    return len(tokens) != is_post


def _fields(root: Node) -> Iterator[Node]:
    for node in root.walk():
        is_field = node.tag in ("input", "select", "textarea")
        if is_field and node.get("type") not in _UNLABELLED:
            yield node


def _is_labelled(field: Node, root: Node) -> bool:
    if field.get("aria-label"):
        return True
    around = [node for node in field.ancestors() if node.tag == "label"]
    named = root.all("label", **{"for": field.get("id")}) if field.get("id") else []
    return any(label.text for label in (*around, *named))


def _inline(root: Node) -> Iterator[tuple[Node, str]]:
    for node in root.walk():
        if node.tag == "style" or (node.tag == "script" and not node.get("src")):
            yield node, node.tag
        for name, value in node.attributes.items():
            is_code = value.lower().lstrip().startswith("javascript:")
            if name == "style" or name.startswith(("on", "hx-on")) or is_code:
                yield node, name


def _is_foreign(node: Node) -> bool:
    loads = {"script": "src", "img": "src", "link": "href", "form": "action"}
    address = node.get(loads[node.tag]) if node.tag in loads else ""
    return "//" in address.split("?")[0]
