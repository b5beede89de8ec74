"""EntryDetails: one entry as a tree, as bytes, decoded, and compared with another."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

from redisnb import cards
from redisnb.entries import Entry, EntryId
from redisnb.panels.details.decoding import decoded_field, hex_text, plain_text, plain_tree
from redisnb.panels.details.differing import differences
from redisnb.panels.details.seeing import SeenEntry, look_at
from redisnb.panels.parts import (
    Act,
    Action,
    Box,
    Choices,
    JsonTree,
    Label,
    Lane,
    Part,
    Strip,
    Task,
    Trouble,
)
from redisnb.stream import Stream

__all__ = ["EditAct", "EntryDetails"]

#: The largest entry that is shown as a tree, in bytes, and how many fields and differences.
_SHOWN_BYTES, _SHOWN_FIELDS = 1_000_000, 100
#: What edits and publishes an entry of a stream.
EditAct: TypeAlias = Callable[[Stream, Entry], object]
_EVENT, _RAW, _DECODED, _DIFFERENCE = "event", "raw", "decoded", "difference"


class EntryDetails(Box):
    """A drawer that shows one entry in full and stays beside the table; hidden until `show`.

    It has the event as a tree, the stored bytes, what they hold if they are compressed or binary,
    which groups have seen the entry, and what differs from another entry.

    Parameters
    ----------
    on : callable, optional
        Called when the user has closed it.
    """

    def __init__(self, *, on: Act | None = None) -> None:
        self._stream: Stream | None = None
        self._seen: SeenEntry | None = None
        self._known: Mapping[Any, Any] = {}
        # What is compared: its ID until it has been read.
        self._pinned: Entry | str | None = None
        # Held from what is read until it is drawn: what is shown is of one entry.
        self._drawing = threading.RLock()
        self._id = Label(look="strong", role="status")
        self._about = Label(look="soft")
        self._trouble = Trouble()
        self._views = Choices("Entry as", [(_EVENT, "Event")], on=self._draw)
        self._views.set(hidden=True)
        self._content = Box()
        self._seen_by, self._groups = Label("Seen by", look="strong"), Label(look="soft")
        self._copy = Action("Copy JSON", self.copy_json)
        self._compare = Action("Compare", self.compare)
        self._edit = Action(
            "Edit and publish", self.edit, tip="Put its event into the form that publishes"
        )
        self._on_edit: EditAct | None = None
        self._edit.set(hidden=True)
        self._lane = Lane("EntryDetails", self._failed)
        super().__init__(
            Strip(self._id, Label(look="grow"), Action("Close", self._close_by_user)),
            self._about,
            self._trouble,
            self._views,
            self._content,
            self._seen_by,
            self._groups,
            Strip(self._edit, self._copy, self._compare),
            look="drawer",
            hidden=True,
        )
        self.on = on

    # -- for the panel

    @property
    def entry_id(self) -> str | None:
        """The ID of the entry that it shows; None while it is closed."""
        return None if self["hidden"] else self._id["text"]

    def show(self, stream: Stream, entry_id: str, known: Mapping[Any, Any] | None = None) -> None:
        """Show an entry; it is read in the background.

        Parameters
        ----------
        stream : Stream
        entry_id : str
        known : mapping, optional
            The values that the table shows of it, for an entry that is gone by now.
        """
        self._stream, self._known, self._seen = stream, known or {}, None
        self._id.set(text=str(entry_id))
        self._trouble.clear()
        self.set(hidden=False)
        self._lane.do(lambda task: self._read(task, stream, str(entry_id)))

    def refresh(self) -> None:
        """Read the entry again, if one is shown: something has become of it."""
        stream, entry_id = self._stream, self.entry_id
        if stream is not None and entry_id is not None:
            self._lane.do(lambda task: self._read(task, stream, entry_id))

    def close(self) -> None:
        """Hide it."""
        self._lane.cancel()
        self._pinned = self._seen = None
        self.set(hidden=True)

    def stop(self) -> bool:
        """End what it does in the background; return whether that ended within 2 s."""
        return self._lane.stop()

    def offer_edit(self, on_edit: EditAct | None) -> None:
        """Offer to edit and publish an entry, by a callable that gets the stream and the entry."""
        self._on_edit = on_edit
        self._offer()

    # -- what its buttons do

    def edit(self) -> None:
        """Edit and publish the entry, where the panel lets one."""
        seen = self._seen
        if self._on_edit is not None and self._stream is not None and seen and seen.entry:
            self._on_edit(self._stream, seen.entry)

    def compare(self) -> None:
        """Compare this entry with the one that is shown next; called again, no longer."""
        if self._pinned is not None:
            self._pinned = None
        else:
            self._pinned = self._id["text"] if self._seen is None else self._seen.entry
        self._views.set(value=_EVENT)
        self._draw()

    def copy_json(self) -> None:
        """Copy the event as JSON."""
        if self._seen is not None and self.channel is not None:
            event = self._known if self._seen.entry is None else self._seen.entry.event
            text = json.dumps(event, ensure_ascii=False, indent=2, default=plain_tree)
            self.channel.send({"copy": text})

    def _close_by_user(self) -> None:
        self.close()
        if self.on is not None:
            self.on()

    # -- reading and drawing

    def _read(self, task: Task, stream: Stream, entry_id: str) -> None:
        seen, waiting = look_at(stream, entry_id), self._pinned
        is_before = isinstance(waiting, str) and waiting != entry_id
        before = stream.entry(str(waiting)) if is_before else None
        with task.show(), self._drawing, self._together():
            self._seen = seen
            if isinstance(self._pinned, str):
                self._pinned = seen.entry if self._pinned == entry_id else before
            self._trouble.clear()
            if self._is_other(seen.entry):
                self._views.offer([*self._views["options"], (_DIFFERENCE, "Difference")])
                self._views.set(value=_DIFFERENCE)
            self._draw()

    def _together(self) -> AbstractContextManager[None]:
        return nullcontext() if self.channel is None else self.channel.together()

    def _failed(self, error: Exception, job: Callable[[Task], object]) -> None:
        # What is there is of another entry.
        self._content.fill()
        for each in (self._about, self._groups):
            each.set(text="")
        self._trouble.report(error, lambda: self._lane.do(job))

    def _is_other(self, entry: Entry | None) -> bool:
        pinned = self._pinned
        return entry is not None and isinstance(pinned, Entry) and entry.id != pinned.id

    def _draw(self) -> None:
        with self._drawing:
            if self._seen is not None:
                self._draw_seen(self._seen)

    def _draw_seen(self, seen: SeenEntry) -> None:
        entry = seen.entry
        self._about.set(text=self._about_text(entry))
        self._groups.set(text="\n".join(seen.groups))
        for each in (self._seen_by, self._groups):
            each.set(hidden=not seen.groups)
        self._views.offer(self._offered(entry))
        self._views.set(hidden=len(self._views["options"]) < 2)
        self._compare.set(
            label="Compare" if self._pinned is None else "End comparison",
            hidden=entry is None and self._pinned is None,
        )
        self._offer()
        drawers: dict[str, Callable[[Entry], list[Part]]] = {
            _EVENT: _event_parts,
            _RAW: _raw_parts,
            _DECODED: _decoded_parts,
            _DIFFERENCE: self._difference_parts,
        }
        if entry is None:
            known = plain_tree(dict(self._known))
            self._content.fill(*([JsonTree("Entry", known)] if known else []))
        else:
            self._content.fill(*drawers[self._views["value"]](entry))

    def _offer(self) -> None:
        is_there = self._seen is not None and self._seen.entry is not None
        self._edit.set(hidden=self._on_edit is None or not is_there)

    def _about_text(self, entry: Entry | None) -> str:
        if entry is None:
            return "This entry is gone: it was deleted or trimmed." + (
                " The table showed this of it:" if self._known else ""
            )
        size = sum(len(name) + len(value) for name, value in entry.fields)
        lines = [f"{_time_and(entry.id)}{cards.amount(size)}"]
        if self._pinned is not None and not self._is_other(entry):
            lines.append("Choose another entry in the table: it is compared with this one.")
        return "\n".join(lines)

    def _offered(self, entry: Entry | None) -> list[tuple[str, str]]:
        if entry is None:
            return [(_EVENT, "Event")]
        options = [(_EVENT, "Event"), (_RAW, "Raw")]
        if _decoded_fields(entry):
            options.append((_DECODED, "Decoded"))
        if self._is_other(entry):
            options.append((_DIFFERENCE, "Difference"))
        return options

    def _difference_parts(self, entry: Entry) -> list[Part]:
        assert isinstance(self._pinned, Entry)
        found = differences(self._pinned.event, entry.event)
        if not found:
            return [Label(f"Its event is equal to that of {self._pinned.id}.", look="soft")]
        parts: list[Part] = [Label(f"- {self._pinned.id}\n+ {entry.id}", look="soft")]
        for each in found[:_SHOWN_FIELDS]:
            parts.append(Label(each.name, look="strong"))
            parts += [
                Label(f"- {_value_text(value)}", look="code", tone="bad") for value in each.one
            ]
            parts += [
                Label(f"+ {_value_text(value)}", look="code", tone="good") for value in each.other
            ]
        return parts + _and_more(len(found), "members differ")


def _event_parts(entry: Entry) -> list[Part]:
    size = sum(len(name) + len(value) for name, value in entry.fields)
    if size > _SHOWN_BYTES:
        return [Label(f"It is too large to show; stream.entry('{entry.id}') has it whole.")]
    return [JsonTree("Entry", plain_tree(entry.event))]


def _raw_parts(entry: Entry) -> list[Part]:
    parts: list[Part] = []
    for name, value in entry.fields[:_SHOWN_FIELDS]:
        parts.append(Label(f"{plain_text(name)} · {cards.amount(len(value))}", look="strong"))
        parts.append(Label(plain_text(value), look="code"))
        parts.append(Label(hex_text(value), look="bytes"))
    return parts + _and_more(len(entry.fields), "fields")


def _decoded_parts(entry: Entry) -> list[Part]:
    parts: list[Part] = []
    for name, codings, value in _decoded_fields(entry):
        parts.append(Label(f"{plain_text(name)} · {', '.join(codings)}", look="strong"))
        is_tree = isinstance(value, dict | list)
        parts.append(
            JsonTree("Decoded", value) if is_tree else Label(_value_text(value), look="code")
        )
    return parts


def _decoded_fields(entry: Entry) -> list[tuple[bytes, list[str], Any]]:
    """Return the fields that hold more than text, or JSON that the event does not show."""
    found = []
    for name, value in entry.fields[:_SHOWN_FIELDS]:
        decoded = decoded_field(value)
        is_in_event = (
            decoded is not None and decoded.codings == ["JSON"] and _is_carrier(entry, name)
        )
        if decoded is not None and not is_in_event:
            found.append((name, decoded.codings, plain_tree(decoded.value)))
    return found


def _is_carrier(entry: Entry, name: bytes) -> bool:
    return entry.field is not None and name == entry.field.encode(errors="surrogateescape")


def _and_more(n: int, what: str) -> list[Part]:
    return (
        [Label(f"{n:,} {what}; the first {_SHOWN_FIELDS} are shown.")] if n > _SHOWN_FIELDS else []
    )


def _value_text(value: Any) -> str:
    return json.dumps(plain_tree(value), ensure_ascii=False)


def _time_and(id: EntryId) -> str:
    moment = cards.moment(id.ms)
    return f"{moment} · " if moment else ""
