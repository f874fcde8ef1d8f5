"""A page as a strict reader sees it: every element closed, nothing that runs or loads."""

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br"}
# What the status page is made of; nothing here runs a script or asks another host.
KNOWN = {
    "html", "head", "meta", "link", "title", "style", "body", "header", "main", "footer", "section",
    "div", "span", "p", "a", "nav", "h1", "h2", "h3", "small", "b", "i", "code", "pre", "bdi",
    "time", "dl", "dt", "dd", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "form",
    "input", "label", "select", "option", "button", "figure", "figcaption", "svg", "rect", "path",
    "br",
}  # fmt: skip


class Page(HTMLParser):
    """Parsed at once; an AssertionError says what is wrong with it."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.elements = []  # (tag, attributes)
        self.texts = []
        self.ids = set()
        self.feed(text)
        self.close()
        if self.open:
            raise AssertionError(f"never closed: {self.open}")

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in KNOWN:
            raise AssertionError(f"an element <{tag}>")
        if len(attributes) != len(attrs):
            raise AssertionError(f"an attribute twice in <{tag}>: {attrs}")
        for name, value in attributes.items():
            if name.startswith("on") or name == "style":
                raise AssertionError(f"{name}={value}")
            if name in ("href", "action", "src") and not (
                value.startswith(("?", "#")) or value == "data:,"
            ):
                raise AssertionError(f"a link out of the page: {value}")
        if "id" in attributes:
            if attributes["id"] in self.ids:
                raise AssertionError(f"the id {attributes['id']} twice")
            self.ids.add(attributes["id"])
        self.elements.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        raise AssertionError(f"<{tag}/>")

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            raise AssertionError(f"</{tag}> closes nothing")

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self):
        """All that is read, white space folded."""
        return " ".join(" ".join(self.texts).split())

    def values(self, tag, attribute, /, **wanted):
        """The values of an attribute of all such elements."""
        return [
            attributes[attribute]
            for found, attributes in self.elements
            if found == tag
            and attribute in attributes
            and all(attributes.get(key) == value for key, value in wanted.items())
        ]
