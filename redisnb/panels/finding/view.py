"""The parts of a KeysPanel: a pattern, prefixes or keys, and what changes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from redisnb.panels.parts import (
    Action,
    Box,
    Grid,
    Input,
    Label,
    Menu,
    Message,
    Part,
    Strip,
    TakeOut,
    Trouble,
    Views,
)

__all__ = [
    "KEY_LIST",
    "PREFIXES",
    "Elements",
    "KeysFoot",
    "KeyspaceView",
    "SearchBar",
    "ValueEditor",
]

PREFIXES, KEY_LIST = "prefixes", "keys"
_TYPE_OPTIONS = [("", "any"), *((each, each) for each in ("string", "hash", "list", "set", "zset"))]


class SearchBar(Strip):
    """What is looked for."""

    def __init__(self, match: str) -> None:
        self.match = Input("Pattern", match, hint="user:*, h?llo, [ab]*", size=24, wide=True)
        self.type = Menu("Type", [*_TYPE_OPTIONS, ("stream", "stream"), ("json", "json")])
        self.find = Action("Find", look="primary")
        super().__init__(self.match, self.type, self.find, look="bar")


class Elements(Box):
    """The elements of a key, of which some can be searched for."""

    def __init__(self) -> None:
        self.search = Input("Search", hint="part of a name", size=18)
        self.more = Action("Load more")
        self.caption = Label(look="soft", role="status")
        self.grid = Grid("Elements", empty="There is nothing that matches.", filters=False)
        self.chosen = Label(look="soft", role="status")
        self.ttl = Input("Time to live of fields", hint="10min", size=7)
        self.expire, self.persist = Action("Let fields expire"), Action("Keep fields")
        self.fields = Strip(self.chosen, self.ttl, self.expire, self.persist, hidden=True)
        super().__init__(
            Strip(self.search, self.more, self.caption),
            self.grid,
            self.fields,
            look="grow",
        )

    def offer(self, *, can_search: bool) -> None:
        """Offer to search, if the server can."""
        self.search.set(hidden=not can_search)

    def offer_fields(self, names: Sequence[str]) -> None:
        """Offer to let fields expire; without any, hide that."""
        n = len(names)
        self.chosen.set(text=f"{n:,} {'field' if n == 1 else 'fields'}")
        self.fields.set(hidden=not n)


class ValueEditor(Box):
    """A field that changes the text of a string."""

    def __init__(self) -> None:
        self.edit = Action("Edit the text")
        self.edit.set(expanded=False)
        self.text = Input("Text", rows=6, quiet=True, wide=True)
        self.save = Action("Save", look="primary", tip="If the value is still the one shown")
        self._form = Box(self.text, Strip(self.save), look="form", hidden=True)
        self._shown: str | None = None
        super().__init__(Strip(self.edit), self._form)

    def offer(self, text: str | None) -> None:
        """Offer to change a text; None for what a field cannot hold, such as a frame."""
        self.set(hidden=text is None)
        if text != self._shown:
            # Otherwise what was typed there stays.
            self._shown = text
            self.text.set(value=text or "")

    def toggle(self) -> None:
        """Open the field, or close it."""
        is_open = bool(self._form["hidden"])
        self._form.set(hidden=not is_open)
        self.edit.set(expanded=is_open)

    def close(self) -> None:
        """Close the field; what was typed there is dropped."""
        self._form.set(hidden=True)
        self.edit.set(expanded=False)
        self.text.set(value=self._shown or "")


class KeysFoot(Strip):
    """How many keys there are, and what takes them out."""

    def __init__(self, take_out: TakeOut) -> None:
        self.caption = Label(look="soft", role="status")
        self.stop = Action("Stop", tip="Look no further; what was found stays")
        self.stop.set(hidden=True)
        super().__init__(self.caption, self.stop, Label(look="grow"), take_out, look="foot")


class KeyspaceView(Box):
    """All parts of the panel."""

    def __init__(
        self,
        name: str,
        match: str,
        take_out: Callable[[Trouble], TakeOut],
        make: Callable[[Trouble], tuple[Box, Box]],
    ) -> None:
        self.about = Label(look="soft")
        self.state = Label(look="state", role="status")
        self.trouble = Trouble()
        self.all_keys = Action("Look at all", tip="Until then the numbers are estimates")
        self.note = Message(self.all_keys, tone="warn")
        self.search = SearchBar(match)
        self.path = Strip(look="under")
        self.prefixes = Grid("Prefixes", key="prefix", filters=False, amounts=["size"])
        self.found = Grid("Keys", key="key", filters=False, amounts=["size"])
        self.found.pick(left=["expires_at"])
        self.foot = KeysFoot(take_out(self.trouble))
        changes, details = make(self.trouble)
        shown = [(PREFIXES, "By prefix"), (KEY_LIST, "Keys")]
        self.views = Views("Keys as", shown, {PREFIXES: self.prefixes, KEY_LIST: self.found})
        super().__init__(
            Strip(
                Label("Keys", look="title"),
                Label(name, look="soft"),
                self.about,
                Label(look="grow"),
                self.state,
                look="head",
            ),
            self.trouble,
            self.search,
            self.views,
            self.path,
            self.note,
            Box(Box(self.prefixes, self.found, look="grow"), details, look="split"),
            changes,
            self.foot,
            look="main",
        )

    def show_path(self, prefixes: list[str], go: Callable[[str], None], extra: str) -> None:
        """Show the prefixes that lead to what is shown, each a button that leads back there."""
        parts: list[Part] = [Action("All keys", lambda: go(""))]
        parts += [Action(each, partial(go, each)) for each in prefixes]
        self.path.fill(*parts, Label(extra, look="soft"))
        self.path.set(hidden=not prefixes)
