"""What a page sends: its forms and buttons read from the HTML, and sent as the page's script sends them."""

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx

_VERBS = ("post", "put", "delete")
_TEXT = "\0"
_VOID = frozenset({"input", "meta", "link", "br", "img"})


@dataclass
class Form:
    """Something that changes something; ``fields``: name -> kind and what stands there."""

    verb: str
    url: str
    done: str
    fields: dict[str, tuple[str, str]] = field(default_factory=dict)

    def body(self, **said: str) -> dict[str, Any]:
        """What app.js makes of the fields, with what somebody typed into them."""
        assert said.keys() <= self.fields.keys(), "there are no such fields"
        found: dict[str, Any] = {}
        for name, (kind, text) in self.fields.items():
            written = said.get(name, text)
            if not written and kind != "text":
                continue
            if kind == "number":
                found[name] = float(written)
            elif kind == "lines":
                found[name] = [line.strip() for line in written.split("\n") if line.strip()]
            else:
                found[name] = written
        return found

    async def send(self, client: httpx.AsyncClient, **said: str) -> httpx.Response:
        """Send it."""
        if self.verb == "delete":
            return await client.delete(self.url)
        headers = {"Content-Type": "application/json"}
        return await client.request(self.verb, self.url, content=json.dumps(self.body(**said)), headers=headers)


class Read(HTMLParser):
    """A page: its forms, links, tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.ids: list[str] = []
        self._open: list[tuple[str, Form | None]] = []
        self._field: tuple[str, Form, str] | None = None
        self._chosen = False
        self._texts: list[str] = []
        self.feed(text)
        self.text = " ".join("".join(self._texts).split())

    def form(self, url: str) -> Form:
        """The one whose address ends so."""
        (found,) = [form for form in self.forms if form.url.endswith(url)]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: text or "" for name, text in attrs}
        self.tags.add(tag)
        self.attributes |= set(said)
        self.ids += [said["id"]] if "id" in said else []
        if tag == "a":
            self.links.append(said.get("href", ""))
        verb = next((verb for verb in _VERBS if f"hx-{verb}" in said), "")
        made = Form(verb, said[f"hx-{verb}"], said.get("data-done", "")) if verb else None
        if made is not None:
            assert (said.get("hx-ext"), said.get("hx-swap")) == ("json", "none"), said
            self.forms.append(made)
        self._fill(tag, said)
        if tag not in _VOID:
            self._open.append((tag, made if tag == "form" else None))

    def _fill(self, tag: str, said: dict[str, str]) -> None:
        inside = next((form for name, form in reversed(self._open) if name == "form"), None)
        if tag in ("input", "select", "textarea") and inside is not None and "name" in said:
            kind = said.get("data-type", "number" if said.get("type") == "number" else "text")
            inside.fields[said["name"]] = (kind, said.get("value", ""))
            self._field = None if tag == "input" else (tag, inside, said["name"])
            self._chosen = False
        elif tag == "option" and self._field is not None and (not self._chosen or "selected" in said):
            # The first one counts where none is chosen; one without a value is its text.
            self._chosen = True
            self._set(said.get("value", _TEXT))

    def _set(self, text: str) -> None:
        if self._field is not None:
            _, form, name = self._field
            form.fields[name] = (form.fields[name][0], text)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("select", "textarea"):
            self._field = None
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        self._texts.append(data)
        if self._field is not None:
            tag, form, name = self._field
            text = form.fields[name][1]
            if tag == "textarea":
                self._set(text + data)
            elif text == _TEXT:
                self._set(data)
