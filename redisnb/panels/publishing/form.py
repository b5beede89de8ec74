"""EventForm: what the user has typed, and what it means; it knows no client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from redisnb.durations import milliseconds
from redisnb.entries import Entry, full_ids
from redisnb.errors import EncodeError
from redisnb.panels.parts import Input, PythonCode
from redisnb.panels.publishing.placeholders import TemplateError
from redisnb.panels.publishing.template import Template
from redisnb.panels.publishing.usual import Usual
from redisnb.panels.publishing.view import PublishingView
from redisnb.panels.publishing.ways import (
    JSON_WAY,
    LINES_WAY,
    typed_template,
    typed_text,
    with_member,
)
from redisnb.stream import Stream

__all__ = ["EventForm", "SendOptions"]

#: The longest event that the editor is filled with by itself, in bytes.
_LONGEST_START = 10_000
#: How much of the next event is shown, and how many copies one may ask for.
_PREVIEW, _MOST_COPIES = 400, 1_000_000


class SendOptions(NamedTuple):
    """How an event is published.

    Attributes
    ----------
    times : int
    every : float
        The seconds from one copy to the next.
    id : str
        "*" for the clock of the server.
    maxlen : int or None
    """

    times: int
    every: float
    id: str
    maxlen: int | None


class EventForm:
    """The event that is typed, checked while it is, and the fields beside it.

    Parameters
    ----------
    view : PublishingView
    stream : Stream
        Where the event goes, until `usual` knows how that is written.
    """

    def __init__(self, view: PublishingView, stream: Stream) -> None:
        self._writing, self._send, self._view = view.writing, view.send, view
        #: What the last entries are like; without an answer yet, nothing is known of them.
        self.usual = Usual(stream, None, 0, [])
        # The way in which the text of the editor is written.
        self._way = JSON_WAY

    @property
    def is_blank(self) -> bool:
        """Whether nothing is typed."""
        return not self._writing.editor["value"].strip()

    def template(self) -> Template:
        """Return what is typed; raise TemplateError, which the editor shows, if it is no event."""
        try:
            template = typed_template(
                self._way, self._writing.editor["value"], self.usual.stream.layout
            )
        except TemplateError as error:
            self._writing.editor.blame(str(error), error.line, error.column)
            raise
        self._writing.editor.blame("")
        return template

    def options(self) -> SendOptions:
        """Return what the fields say; raise ValueError, which a field shows, if that is nothing."""
        send = self._send
        for each in send.fields:
            each.set(error="")
        times = self._count(send.times) or 1
        every = self._seconds() if times > 1 else 0.0
        id = "*" if times > 1 else self._id()
        return SendOptions(times, every, id, self._count(send.maxlen))

    def write(self, event: Mapping[Any, Any] | str) -> None:
        """Put an event into the editor, or a text as one would type it."""
        layout = self.usual.stream.layout
        if isinstance(event, str):
            self._show(JSON_WAY if event.lstrip().startswith("{") else LINES_WAY, event)
            return
        try:
            self._show(self._way, typed_text(self._way, event, layout))
        except EncodeError:
            raise
        except ValueError:
            # What does not fit on lines fits into JSON.
            self._show(JSON_WAY, typed_text(JSON_WAY, event, layout))

    def begin_with(self, last: Entry) -> None:
        """Put the event of the last entry into the editor, or say why not."""
        if sum(len(name) + len(value) for name, value in last.fields) > _LONGEST_START:
            self._writing.remarks.set(text="The last entry is too long to begin with.")
            return
        try:
            self.write(last.event)
        except ValueError as error:
            self._writing.remarks.set(text=f"The last entry cannot be typed: {error}")

    def switch(self) -> None:
        """Write the event in the chosen way; one that cannot be stays, and the editor says why."""
        way = self._writing.way["value"]
        if way == self._way:
            return
        if self.is_blank:
            self._show(way, "")
            return
        try:
            template = self.template()
            if template.slots:
                raise TemplateError("an event with placeholders stays as it is typed")
            self._show(way, typed_text(way, template.event(), self.usual.stream.layout))
        except ValueError as error:
            line, column = getattr(error, "line", 0), getattr(error, "column", 0)
            self._writing.show_way(self._way)
            self._writing.editor.blame(f"{error}\nCorrect or clear it to switch.", line, column)

    def add_member(self, name: str) -> None:
        """Add a member that the last entries have, with the value of the newest."""
        known = {each.name: each for each in self.usual.members}
        if name not in known or self.usual.tones(self._event()).get(name):
            return
        text, layout = self._writing.editor["value"], self.usual.stream.layout
        try:
            value = known[name].value
            text = with_member(
                self._way, text, name, getattr(value, "item", lambda: value)(), layout
            )
        except (TypeError, ValueError) as error:
            self._writing.remarks.set(text=f"{name!r} cannot be added here: {error}")
            return
        self._show(self._way, text)

    def check(self) -> None:
        """Show what the typed event is, or what is wrong with it."""
        writing = self._writing
        try:
            template = None if self.is_blank else self.template()
        except TemplateError:
            writing.preview.set(text="")
            self._view.show_tones({})
            return
        if template is None:
            writing.editor.blame("")
        event = {} if template is None else template.event()
        shown = json.dumps(event, ensure_ascii=False)
        cut = f"{shown[:_PREVIEW]}…" if len(shown) > _PREVIEW else shown
        has_slots = template is not None and bool(template.slots)
        writing.preview.set(text=f"such as {cut}" if has_slots else "")
        writing.remarks.set(text=self.usual.remarks(event) if event else "")
        self._view.show_tones(self.usual.tones(event))

    def about(self, length: int) -> str:
        """Return how long the stream is, how events are written to it, and where."""
        stream = self.usual.stream
        layout = stream.layout
        how = f"JSON in {layout.field.decode()!r}" if layout.carries else "a field for each member"
        entries = "1 entry" if length == 1 else f"{length:,} entries"
        there = entries if length or self.usual.last else "the first event creates it"
        return f"{there} · writes {how} · {stream.conn.name}"

    def python(self) -> str:
        """Return the calls that publish what is typed."""
        try:
            template, options = self.template(), self.options()
        except ValueError as error:
            return "\n".join(f"# {line}" for line in str(error).splitlines())
        return _publishing_python(self.usual.stream, template, options)

    def _event(self) -> dict[str, Any]:
        try:
            return {} if self.is_blank else self.template().event()
        except TemplateError:
            return {}

    def _show(self, way: str, text: str) -> None:
        self._way = way
        self._writing.show_way(way)
        self._writing.editor.set(value=text)
        self.check()

    def _count(self, field: Input) -> int | None:
        text = field["value"].strip().replace(",", "")
        if not text:
            return None
        if not text.isascii() or not text.isdigit() or not 0 < int(text[:18]) <= _MOST_COPIES:
            raise _blamed(field, f"a whole number from 1 to {_MOST_COPIES:,}")
        return int(text)

    def _seconds(self) -> float:
        field = self._send.every
        try:
            text = field["value"].strip()
            return milliseconds(text, "every") / 1000 if text else 0.0
        except ValueError as error:
            raise _blamed(field, "a time with its unit: 1s, 500ms") from error

    def _id(self) -> str:
        field = self._send.entry_id
        text = field["value"].strip()
        try:
            return full_ids([text])[0] if text else "*"
        except ValueError as error:
            what = "an ID like 1700000000000-0, or a time like 2024-05-01 10:30 (UTC)"
            raise _blamed(field, what) from error


def _blamed(field: Input, why: str) -> ValueError:
    field.set(error=why)
    return ValueError(f"{field['label']}: {why}")


def _publishing_python(stream: Stream, template: Template, options: SendOptions) -> str:
    code = PythonCode()
    conn = code.connection(stream.conn.url)
    made = code.call("rnb.Stream", conn, stream.key, **stream.layout.options())
    code.keep("stream", made)
    imports = {
        "uuid": "import uuid",
        "choice": "import random",
        "now": "from datetime import UTC, datetime",
    }
    before = [imports[name] for name in sorted(template.names & imports.keys())]
    event, maxlen = template.python(), options.maxlen
    limit = "" if maxlen is None else f", maxlen={maxlen}"
    if options.times == 1:
        id = "" if options.id == "*" else f", id={options.id!r}"
        code.do(
            f"n = 1\nstream.add({event}{id}{limit})"
            if "n" in template.names
            else f"stream.add({event}{id}{limit})"
        )
    elif options.every:
        before.append("import time")
        code.do(f"for n in range(1, {options.times + 1}):\n    stream.add({event}{limit})")
        code.do(f"    time.sleep({options.every:g})")
    else:
        code.do(f"events = [{event} for n in range(1, {options.times + 1})]")
        code.do(f"stream.add_many(events{limit})")
    return "\n".join([*before, str(code)])
