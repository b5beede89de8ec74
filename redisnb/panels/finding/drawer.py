"""KeyDetails: one key in full beside the table: its elements, its text, what it holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pandas as pd

from redisnb import cards
from redisnb.durations import Duration, duration
from redisnb.keyspace import PAGED_TYPES, expire_fields, lifetime, replace_text
from redisnb.panels.finding.changing import ChangedKeys, KeyChanges
from redisnb.panels.finding.contents import content_options, content_parts, table_of
from redisnb.panels.finding.values import KeyValue, is_same_value, key_text, read_value
from redisnb.panels.finding.view import Elements, ValueEditor
from redisnb.panels.parts import (
    Act,
    Action,
    Box,
    Choices,
    Label,
    Lane,
    Message,
    Strip,
    Task,
    Trouble,
)
from redisnb.wire import Connection

__all__ = ["KeyDetails"]

#: How many elements are kept, and how long it looks for more of them at once, in seconds.
_MOST_ELEMENTS, _LOOKS_FOR = 100_000, 2.0
#: How many elements "Load more" brings.
_MORE = 500
#: The longest text that a field takes, in characters.
_MOST_EDITED = 100_000


class KeyDetails(Box):
    """A drawer that shows one key and stays beside the table; hidden until `show`.

    Parameters
    ----------
    conn : Connection
    on_change : callable
        Called with the keys that were changed here, on any thread.
    on : callable
        Called when the user has closed it.
    """

    def __init__(
        self, conn: Connection, on_change: Callable[[ChangedKeys], object], *, on: Act
    ) -> None:
        self._conn, self._on_change, self._on_close = conn, on_change, on
        # Which key it is about, also before it is read; None while it is closed.
        self._name: str | None = None
        # As it is shown, and as it was read, with the first page alone; None before it is.
        self._value: KeyValue | None = None
        self._read_value: KeyValue | None = None
        self._match: str | None = None
        # Held from what is read until it is drawn: what is shown is of one key.
        self._drawing = threading.RLock()
        self.title, self.about = Label(look="strong", role="status"), Label(look="soft")
        self.trouble = Trouble()
        self.note = Message(Action("Read again", self.read_again), tone="warn")
        self.elements = Elements()
        self.views = Choices("Value as", [("text", "Text")], on=self._draw_content)
        self.content = Box(look="grow")
        self.editor = ValueEditor()
        self.changes = KeyChanges(conn, self._target, on_change, self.trouble)
        self._lane = Lane("KeyDetails", self._failed)
        super().__init__(
            Strip(self.title, Label(look="grow"), Action("Close", self._close_by_user)),
            self.about,
            self.trouble,
            self.note,
            self.elements,
            self.views,
            self.content,
            self.editor,
            self.changes,
            look="half",
            hidden=True,
        )
        self.elements.grid.on = self._choose_element
        self.elements.grid.on_select = self._offer_fields
        self.elements.expire.on = self.elements.ttl.on = self.expire_fields
        self.elements.persist.on = self.persist_fields
        self.elements.search.on, self.elements.more.on = self.search, self.load_more
        self.editor.edit.on, self.editor.save.on = self.editor.toggle, self.write

    # -- for the panel

    @property
    def name(self) -> str | None:
        """The key that it shows; None while it is closed."""
        return self._name

    def show(self, name: str) -> None:
        """Show a key; it is read in the background."""
        self._match = None
        self.elements.search.set(value="", error="")
        self.editor.close()
        self.changes.cancel()
        # What is asked for from here on is about this key, and not the one that is still drawn.
        self._forget(name)
        self._begin(name)

    def close(self) -> None:
        """Hide it."""
        self._forget(None)
        self.set(hidden=True)

    def wait(self, seconds: float) -> bool:
        """Wait until the key is read or changed; return whether it is."""
        return self._lane.wait(seconds) and self.changes.wait(seconds)

    def stop(self) -> bool:
        """End what it does in the background; return whether that ended within 2 s."""
        return self.changes.stop() & self._lane.stop()

    def look(self, left: Callable[[pd.Series[Any]], pd.Series[Any]]) -> None:
        """Ask whether the key still has the value that is shown, and say so if not.

        `left` tells how long it is until moments of the server's clock.
        """
        shown = self._value
        if shown is None or self._lane.is_busy:
            return
        now = read_value(self._conn, shown.name, self._match)
        is_same = self._read_value is None or is_same_value(self._read_value, now)
        with self._drawing, self._together():
            if self._value is not shown or self._lane.is_busy:
                # Another key is shown by now, or more of this one.
                return
            if now.kind == "none" and shown.kind != "none":
                was_due = pd.notna(shown.row["ttl"].iloc[0]) and left(shown.row["expires_at"]).iloc[
                    0
                ] == pd.Timedelta(0)
                why = "has expired" if was_due else "was deleted or renamed"
                self.note.say(f"It {why}; this is its last known value.")
                return
            self.note.say("" if is_same else "It has changed.")
            self._value = shown._replace(row=now.row)
            self.tell(left)

    def tell(self, left: Callable[[pd.Series[Any]], pd.Series[Any]]) -> None:
        """Tell what the key is, and how long it still lives."""
        with self._drawing:
            value = self._value
            if value is None:
                return
            text = key_text(value)
            if len(value.row) and pd.notna(value.row["expires_at"].iloc[0]):
                text += f" · expires in {duration(left(value.row['expires_at']).iloc[0])}"
            self.about.set(text=text)

    # -- what its buttons do

    def read_again(self) -> None:
        """Read the key once more."""
        if self._name is not None:
            self._begin(self._name)

    def search(self) -> None:
        """Find the fields or members that match the pattern of the field."""
        self._match = self.elements.search["value"].strip() or None
        if self._match is not None and not set("*?[") & set(self._match):
            # A part of a name is what most look for.
            self._match = f"*{self._match}*"
        self.read_again()

    def load_more(self) -> None:
        """Show more elements, below those that are here."""
        value = self._value
        if value is not None:
            self._lane.do(lambda task: self._continue(task, value, value.frame, _MORE))

    def write(self) -> None:
        """Replace the text of the string by that of the field."""
        value = self._value
        if value is None or not value.is_text:
            raise ValueError("there is no text to replace: show a string and wait for it")
        old, new = value.frame["value"].iloc[0], self.editor.text["value"]

        def job(task: Task) -> None:
            replace_text(self._conn, value.name, old, new)
            with task.show():
                self.editor.close()
            self._read(task, value.name)
            self._on_change(ChangedKeys([value.name]))

        self._lane.do(job)

    def expire_fields(self) -> None:
        """Let the selected fields of a hash expire after the time of the field."""
        text = self.elements.ttl["value"].strip()
        ttl: Duration = float(text) if text.isdecimal() else text
        try:
            lifetime(ttl)
        except ValueError:
            self.elements.ttl.set(error="write 500ms, 10min or a number of seconds")
            return
        self.elements.ttl.set(error="")
        self._change_fields(ttl)

    def persist_fields(self) -> None:
        """Keep the selected fields of a hash for ever."""
        self._change_fields(None)

    def _change_fields(self, ttl: Duration | None) -> None:
        value, names = self._value, self._selected_fields()
        if value is None or not names:
            return

        def job(task: Task) -> None:
            expire_fields(self._conn, value.name, names, ttl)
            self._read(task, value.name)

        self._lane.do(job)

    def _selected_fields(self) -> list[str]:
        grid = self.elements.grid
        rows = grid.selected_rows() if grid["selected"] else grid.chosen_row()
        is_hash = self._value is not None and self._value.fields_expire
        return rows["field"].tolist() if is_hash and "field" in rows else []

    def _choose_element(self) -> None:
        self._draw_content()
        self._offer_fields()

    def _offer_fields(self) -> None:
        self.elements.offer_fields([] if self._conn.read_only else self._selected_fields())

    def _close_by_user(self) -> None:
        self.close()
        self._on_close()

    def _target(self) -> ChangedKeys:
        return ChangedKeys([] if self._name is None else [self._name])

    def _forget(self, name: str | None) -> None:
        """Drop what is shown; from now on it is about another key, or none."""
        self._lane.cancel()
        with self._drawing:
            self._name, self._value = name, None

    # -- reading

    def _begin(self, name: str) -> None:
        self.title.set(text=cards.cut_name(name, 200))
        self.trouble.clear()
        self.set(hidden=False)
        self._lane.do(lambda task: self._read(task, name))

    def _read(self, task: Task, name: str) -> None:
        value = read_value(self._conn, name, self._match)
        with task.show(), self._drawing, self._together():
            self.trouble.clear()
            self.note.say(value.problem)
            self._value = self._read_value = value
            self._draw(value)
        if self._match is not None:
            self._continue(task, value, value.frame, _MORE)

    def _continue(self, task: Task, value: KeyValue, frame: pd.DataFrame, more: int) -> None:
        """Read on until there are more elements, and show them."""
        wanted = len(frame) + more if len(frame) or self._match is None else more
        until = time.monotonic() + _LOOKS_FOR
        attrs = frame.attrs
        found = [frame]
        while attrs["truncated"] and sum(map(len, found)) < wanted and time.monotonic() < until:
            task.check()
            page = next(value.pages)
            found.append(page)
            attrs = page.attrs
        whole = pd.concat(found, ignore_index=True)
        whole.attrs = attrs
        with task.show(), self._drawing, self._together():
            # The row may have been read again meanwhile.
            self._value = (self._value or value)._replace(frame=whole, pages=value.pages)
            self._draw_elements(self._value)
            self._draw_content()

    def _together(self) -> AbstractContextManager[None]:
        return nullcontext() if self.channel is None else self.channel.together()

    def _failed(self, error: Exception, job: Callable[[Task], object]) -> None:
        if self._value is None:
            # Not another key's value below the name of this one.
            for each in (self.elements, self.views, self.content, self.editor, self.changes):
                each.set(hidden=True)
            self.about.set(text="")
        self.trouble.report(error, lambda: self._lane.do(job))

    # -- drawing

    def _draw(self, value: KeyValue) -> None:
        self.tell(lambda expires_at: value.row["ttl"])
        is_there = value.kind != "none"
        self.changes.set(hidden=not is_there)
        self.editor.offer(None if self._conn.read_only else self._editable(value))
        self._draw_elements(value)
        self._draw_content()

    def _draw_elements(self, value: KeyValue) -> None:
        has_rows = value.kind not in ("none", "string", "json") and not value.problem
        self.elements.set(hidden=not has_rows)
        if not has_rows:
            return
        n, length = len(value.frame), value.frame.attrs["length"]
        # Only the end of a scan tells that there is no more, unless it is known how many there are.
        more = value.frame.attrs["truncated"] and (self._match is not None or n != length)
        is_paged = value.kind in PAGED_TYPES
        why = "" if n < _MOST_ELEMENTS else "preview(conn, key, limit=...) has all"
        self.elements.offer(can_search=is_paged and value.kind != "list")
        self.elements.more.set(hidden=not (more and is_paged), disabled=why)
        self.elements.caption.set(text=_elements_text(value, self._match))
        plain = value.frame
        if "ttl" in plain and plain["ttl"].isna().all():
            # Most hashes have no fields that expire.
            plain = plain.drop(columns="ttl")
        self.elements.grid.show(plain)
        self._offer_fields()

    def _draw_content(self) -> None:
        with self._drawing:
            if self._value is not None:
                self._draw_stored(self._value)

    def _draw_stored(self, value: KeyValue) -> None:
        grid = table_of(value.cached)
        stored = self._stored(value)
        self.views.set(hidden=stored is None)
        self.content.set(hidden=grid is None and stored is None)
        if grid is not None:
            self.content.fill(grid)
        elif stored is None:
            self.content.fill()
        else:
            options = [list(each) for each in content_options(stored)]
            if options != self.views["options"]:
                self.views.set(options=options, value=options[0][0])
            self.content.fill(*content_parts(stored, self.views["value"]))

    def _stored(self, value: KeyValue) -> str | bytes | None:
        """Return what is shown in full: a string, or the chosen element."""
        if value.problem or value.kind == "none":
            return None
        if value.kind in ("string", "json"):
            if value.cached is not None:
                return value.cached if isinstance(value.cached, bytes) else None
            stored: str | bytes = value.frame["value"].iloc[0]
            return stored
        row = self.elements.grid.chosen_row()
        if row.empty or "value" not in row:
            return None
        chosen = row["value"].iloc[0]
        return chosen if isinstance(chosen, str | bytes) else None

    def _editable(self, value: KeyValue) -> str | None:
        """Return the text, if a browser's field can hold it."""
        if not value.is_text:
            return None
        text: str = value.frame["value"].iloc[0]
        return text if len(text) <= _MOST_EDITED and not {"\r", "\0"} & set(text) else None


def _elements_text(value: KeyValue, match: str | None) -> str:
    n, length = len(value.frame), value.frame.attrs.get("length")
    if value.kind == "stream":
        return (
            f"the last {n:,} entries; rnb.panels.browse(rnb.Stream(conn, {value.name!r})) has all"
        )
    if match is not None:
        more = " so far" if value.frame.attrs["truncated"] else ""
        return f"{n:,} match {match}{more}"
    return f"{n:,} of {length:,}" if length and n < length else ""
