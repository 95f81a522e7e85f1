"""What must hold for a page to be read by everybody, checked without a browser."""

import re
from html.parser import HTMLParser

from compare.report.html import theme

TARGET = 4.5  # contrast of text, WCAG 2.2 AA


class Elements(HTMLParser):
    """All elements of a page, in order, as (tag, attributes)."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def elements(html):
    parser = Elements()
    parser.feed(html)
    return parser.found


def problems(html):
    """Sentences about what is wrong with a page; none for a good one."""
    found = elements(html)
    return [*structure(found), *names(found), *contrasts(html)]


def structure(found):
    tags = [tag for tag, _ in found]
    for once in ("main", "h1", "header", "footer", "nav", "title"):
        if tags.count(once) != 1:
            yield f"{tags.count(once)} elements {once}"
    if dict(found)["html"].get("lang") != "en":
        yield "no language"
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    for above, level in zip([0, *levels], levels, strict=False):
        if level > above + 1:
            yield f"h{level} after h{above}"
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    yield from (f"id {id} is there twice" for id in set(ids) if ids.count(id) > 1)
    for tag, attributes in found:
        for name in ("aria-labelledby", "href"):
            target = attributes.get(name) or ""
            if name == "href" and not target.startswith("#"):
                continue
            if target and target.removeprefix("#") not in ids:
                yield f"{tag} points to {target}, which is not there"
    links = [attributes.get("href") for tag, attributes in found if tag == "a"]
    if links[0] != "#main":
        yield f"the first link is {links[0]}, not the skip link"


def names(found):
    for tag, attributes in found:
        drawn = tag == "img" or (tag == "svg" and attributes.get("role") == "img")
        if drawn and len(attributes.get("alt") or attributes.get("aria-label") or "") < 20:
            yield f"{tag} has no text for those who do not see it"
        if tag == "th" and attributes.get("scope") not in ("col", "row"):
            yield "th without scope"
        if "scroll" in (attributes.get("class") or "") and attributes.get("tabindex") != "0":
            yield "something scrolls that the keyboard does not reach"


def contrasts(html):
    """Text on its grounds, with the colours that the page declares, light and dark."""
    style = re.search(r"<style>(.*?)</style>", html, re.S)[1]
    declared = [
        dict(re.findall(r"--(\w+): (#\w{6})", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    if len(declared) != 2 or "prefers-color-scheme: dark" not in style:
        yield "no second set of colours for dark pages"
    used = set(re.findall(r"[^-]color: var\(--(\w+)\)", style)) - {"line"}
    for colors in declared:
        for text in used:
            for ground in ("back", "panel"):
                if (ratio := theme.contrast(colors[text], colors[ground])) < TARGET:
                    yield f"contrast of {text} on {ground} is {ratio:.2f}"
