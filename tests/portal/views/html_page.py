"""A web page as a tree, and what is wrong with it as HTML; the standard library's parser only."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source",
    "track", "wbr",
})  # fmt: skip
_BLOCKS = frozenset({
    "article", "aside", "details", "div", "dl", "fieldset", "figure", "footer", "form",
    "h1", "h2", "h3", "h4", "header", "hr", "main", "nav", "ol", "p", "pre", "section",
    "table", "ul",
})  # fmt: skip
_PHRASES = frozenset({
    "a", "b", "button", "code", "em", "h1", "h2", "h3", "h4", "label", "p", "small",
    "span", "strong", "time",
})  # fmt: skip
_CLICKED = frozenset({"a", "button", "input", "select", "textarea", "label", "details"})
_PLACED = _BLOCKS | _CLICKED | {"form", "main"}
# What may stand only directly in what.
_PARENTS = {
    "li": {"ul", "ol"},
    "dt": {"dl", "div"},
    "dd": {"dl", "div"},
    "thead": {"table"},
    "tbody": {"table", "template"},
    "tr": {"thead", "tbody", "template"},
    "th": {"tr"},
    "td": {"tr"},
    "option": {"select", "optgroup"},
    "summary": {"details"},
    "title": {"head"},
}


class Node:
    """An element: its tag, attributes and what is in it, elements and text."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: Node | None) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parent = parent
        self.children: list[Node | str] = []
        # Where it stands among the page's elements, and where what is in it ends: to walk costs
        # most of what the checks of a page cost.
        self._page: list[Node] = [] if parent is None else parent._page
        self._first = len(self._page)
        self._last: int | None = None

    def __repr__(self) -> str:
        return f"<{' '.join([self.tag, *(f'{k}={v!r}' for k, v in self.attributes.items())])}>"

    def get(self, name: str) -> str:
        """An attribute, empty when it is not there."""
        return self.attributes.get(name, "")

    @property
    def option_value(self) -> str:
        """What an option sends."""
        return self.attributes.get("value", self.text)

    def chosen(self) -> str:
        """What a select sends as it stands."""
        options = self.all("option")
        marked = [option for option in options if "selected" in option.attributes]
        return (marked or options)[0].option_value if options else ""

    def typed(self) -> str:
        """What a text area sends as it stands; a line break after its tag is no part of it."""
        text = "".join(child for child in self.children if isinstance(child, str))
        return text.removeprefix("\r").removeprefix("\n")

    def walk(self) -> Iterator[Node]:
        """All elements below, in the order of the page."""
        return iter(self._page[self._first : self._last])

    def add(self, node: Node) -> None:
        """Put another one into it, whose parent it is."""
        self.children.append(node)
        self._page.append(node)
        node._first = len(self._page)

    def end(self) -> None:
        """Nothing more comes into it."""
        self._last = len(self._page)

    def all(self, tag: str = "", **attributes: str) -> list[Node]:
        """The elements below of that tag with these attributes, ``class_`` meaning one class."""
        class_ = attributes.pop("class_", "")
        return [
            node
            for node in self.walk()
            if tag in ("", node.tag)
            and (not class_ or class_ in node.get("class").split())
            and all(node.attributes.get(name) == value for name, value in attributes.items())
        ]

    def one(self, tag: str = "", **attributes: str) -> Node:
        """The only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, (tag, attributes, found)
        return found[0]

    def ancestors(self) -> Iterator[Node]:
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    @property
    def text(self) -> str:
        """What a reader sees, with single spaces."""
        return " ".join("".join(self._strings()).split())

    def _strings(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield " "
                yield from child._strings()
                yield " "

    def shape(self) -> object:
        """A value equal for equal elements, whatever their white space and form tokens."""
        attributes = dict(self.attributes)
        if attributes.get("name") == "csrf_token":
            attributes["value"] = ""
        texts = [child.strip() if isinstance(child, str) else child for child in self.children]
        parts = [child.shape() if isinstance(child, Node) else child for child in texts if child]
        return (self.tag, attributes, parts)


class _Builder(HTMLParser):
    """Makes the tree and notes what no browser would have to guess about in valid HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("", {}, None)
        self.here = self.root
        self.errors: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) != len(names):
            self._complain(f"<{tag}> has an attribute twice")
        node = Node(tag, {name: value or "" for name, value in attrs}, self.here)
        self._check_place(node)
        self.here.add(node)
        if tag in VOID:
            node.end()
        else:
            self.here = node

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        in_drawing = tag == "svg" or any(node.tag == "svg" for node in self._open())
        if tag not in VOID and not in_drawing:
            self._complain(f"<{tag}/> closes nothing")
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._close()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID or self.here.tag != tag:
            self._complain(f"</{tag}> where <{self.here.tag}> is open")
            return
        self._close()

    def _close(self) -> None:
        self.here.end()
        self.here = self.here.parent or self.root

    def handle_data(self, data: str) -> None:
        self.here.children.append(data)
        if data.strip() and self.here.tag in {
            "table",
            "thead",
            "tbody",
            "tr",
            "ul",
            "dl",
            "select",
        }:
            self._complain(f"text directly in <{self.here.tag}>: {data.strip()[:40]}")

    def _open(self) -> Iterator[Node]:
        yield self.here
        yield from self.here.ancestors()

    def _check_place(self, node: Node) -> None:
        parents = _PARENTS.get(node.tag)
        if parents and node.parent is not None and node.parent.tag not in parents:
            self._complain(f"<{node.tag}> directly in <{node.parent.tag}>")
        if node.tag not in _PLACED:
            return
        around = {outer.tag for outer in self._open()}
        if node.tag in _BLOCKS and around & _PHRASES:
            self._complain(f"<{node.tag}> inside of {sorted(around & _PHRASES)}")
        if node.tag in _CLICKED and around & {"a", "button"}:
            self._complain(f"<{node.tag}> inside of something to click")
        if node.tag in ("form", "main") and node.tag in around:
            self._complain(f"<{node.tag}> inside of <{node.tag}>")

    def _complain(self, what: str) -> None:
        line, column = self.getpos()
        self.errors.append(f"{line}:{column}: {what}")


def parse(text: str) -> tuple[Node, list[str]]:
    """The tree of a page or a part of one, and its errors."""
    builder = _Builder()
    builder.feed(text)
    builder.close()
    left_open = [node.tag for node in builder._open() if node is not builder.root]
    return builder.root, builder.errors + [f"<{tag}> is never closed" for tag in left_open]
