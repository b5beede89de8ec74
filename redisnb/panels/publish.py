"""PublishPanel: type an event, press a button, see its entry ID."""

from __future__ import annotations

import json
import threading
from typing import Any, NoReturn

import ipywidgets
import pandas as pd
import redis

from redisnb import events
from redisnb.errors import RedisnbError
from redisnb.ids import EntryId
from redisnb.panels.panel import Panel, Row, Text, words
from redisnb.stream import Stream

__all__ = ["PublishPanel"]

#: The longest event that the form begins with, in characters.
LONGEST_EXAMPLE = 10_000


class PublishPanel(Panel):
    """Publish events to a stream by hand.

    The form begins with the stream's last event where that is a JSON object, else with ``{}``.

    Parameters
    ----------
    stream : Stream
        Where events go; it need not exist. One with the format "raw" carries no JSON.

    Attributes
    ----------
    stream : Stream
    last_error : Exception or None
        Why the last attempt failed, in full; None if it did not.

    Examples
    --------
    >>> PublishPanel(Stream(connect(), "orders"))
    """

    def __init__(self, stream: Stream) -> None:
        if not isinstance(stream, Stream):
            raise TypeError(f"PublishPanel(stream): a redisnb.Stream, not {type(stream).__name__}")
        if stream.format == "raw":
            raise ValueError("the events of a raw stream are bytes, and this form writes JSON")
        self.stream = stream
        self.last_error: Exception | None = None
        # With ipykernel 7 a callback may run beside a cell, on another thread.
        self._publishing = threading.RLock()
        self._event = ipywidgets.Textarea(
            "{}",
            description="Event (JSON)",
            # Each key a message: a click could then overtake the last of them.
            continuous_update=False,
        ).add_class("rnb-event")
        self._problem = Text("rnb-error", role="alert")
        self._button = ipywidgets.Button(
            description="Publish",
            button_style="primary",
            tooltip="Add this event to the stream",
        )
        self._button.on_click(lambda _: self.publish())
        self._status = Text("rnb-status", role="status")
        super().__init__(
            Text("rnb-title", f"Publish to {stream.key!r} on {stream.conn.name}"),
            self._event,
            self._problem,
            Row(self._button, self._status),
        )
        try:
            self._event.value = _example(stream)
        except (RedisnbError, redis.RedisError) as error:
            self._fail(error)

    def __repr__(self) -> str:
        return f"PublishPanel({self.stream.key!r})"

    def publish(self, text: str | None = None) -> EntryId | None:
        """Do what the button does: publish the event in the form.

        Parameters
        ----------
        text : str, optional
            Is put into the form first.

        Returns
        -------
        EntryId or None
            None if it failed. The panel then says why, `last_error` has the error, and the text
            stays as it was.

        Notes
        -----
        `Stream.add`: nothing is sent unless the text is a JSON object, and nothing is sent twice.
        """
        with self._publishing:
            if text is not None:
                self._event.value = text
            self._button.disabled = True
            self._problem.value, self._status.value = "", "publishing…"
            try:
                entry_id = self.stream.add(parse(self._event.value))
            except (RedisnbError, redis.RedisError, ValueError) as error:
                self._fail(error)
                return None
            finally:
                self._button.disabled = False
            self.last_error = None
            self._status.value = f"published {entry_id}{_clock(entry_id)}"
            return entry_id

    def _fail(self, error: Exception) -> None:
        self.last_error = error
        self._problem.value, self._status.value = words(error), ""


def parse(text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    ValueError
        If it is none, saying where: ``not JSON: line 2, column 5: ...``. Also for what Python
        would read and JSON does not have: NaN, and a member that occurs twice.
    """
    try:
        event = json.loads(text, object_pairs_hook=_members, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise ValueError(f"not JSON: line {error.lineno}, column {error.colno}: {what}") from error
    except RecursionError:
        raise ValueError("this is nested too deeply") from None
    if not isinstance(event, dict):
        raise ValueError('an event is a JSON object, such as {"id": 1}')
    return event


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"the member {json.dumps(name)} occurs twice")
        members[name] = value
    return members


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number; null may do")


def _example(stream: Stream) -> str:
    """Return the last event of a stream as JSON text, ``{}`` where there is none."""
    last = stream.tail(1)["entry_id"]
    if last.empty:
        return "{}"
    # A frame has nested members as dotted columns; the entry has them as they are.
    entry = next(stream.follow(last.iloc[0], timeout="1ms"), None)
    if entry is None or stream.format == "fields":
        return "{}"
    if not events.is_object([part for pair in entry.fields for part in pair]):
        return "{}"
    text = json.dumps(entry.event, ensure_ascii=False, indent=2)
    return text if len(text) <= LONGEST_EXAMPLE else "{}"


def _clock(entry_id: EntryId) -> str:
    # Beyond the year 9999 an ID has no time.
    return "" if pd.isna(entry_id.time) else entry_id.time.strftime(" at %H:%M:%S UTC")
