"""Publish: add events to a stream."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast, overload

import pandas as pd
import redis

from redisnb import frames, wire
from redisnb.background import logger
from redisnb.entries import (
    EntryId,
    Position,
    carries_json,
    full_ids,
    write_event,
)
from redisnb.errors import ConnectError, UncertainWriteError, choose, explain, warn
from redisnb.frames import ArrowTable, Missing
from redisnb.hints import hinted
from redisnb.progress import progress_bar
from redisnb.stream.key import StreamKey
from redisnb.stream.publishing.labels import Labels
from redisnb.stream.publishing.packing import Commands
from redisnb.stream.publishing.sending import NoStreamError, Sending, reason
from redisnb.stream.removing import Only, Trimming, first_owed, spares, trim, warn_if_gone
from redisnb.stream.state import stream_info

__all__ = ["Publisher", "add_in_parts"]


class Publisher(StreamKey):
    """The side of a stream that writes."""

    @overload
    def add(
        self,
        event: Mapping[Any, Any],
        *,
        id: Position = "*",
        maxlen: int | None = None,
        minid: Position | None = None,
        approximate: bool = False,
        limit: int | None = None,
        only: Only | None = None,
        create: Literal[True] = True,
    ) -> EntryId: ...

    @overload
    def add(
        self,
        event: Mapping[Any, Any],
        *,
        id: Position = "*",
        maxlen: int | None = None,
        minid: Position | None = None,
        approximate: bool = False,
        limit: int | None = None,
        only: Only | None = None,
        create: bool,
    ) -> EntryId | None: ...

    @hinted
    def add(
        self,
        event: Mapping[Any, Any],
        *,
        id: Position = "*",
        maxlen: int | None = None,
        minid: Position | None = None,
        approximate: bool = False,
        limit: int | None = None,
        only: Only | None = None,
        create: bool = True,
    ) -> EntryId | None:
        """Add one event at the end and return its entry ID.

        Parameters
        ----------
        event : mapping
            What the stream's format can carry: for JSON any nesting of JSON's types.
        id : ID or time, default "*"
            "*" lets the server take its clock, "5-*" its next number in millisecond 5 (since
            Redis 7). Each ID is larger than the one before it.
        maxlen : int, optional
            Trim the stream to this many entries, at least 0.
        minid : ID or time, optional
            Trim what is older than this.
        approximate, limit, only
            How to trim, as for `trim`; ``only="acked"`` spares what a group still has to handle.
        create : bool, default True
            Make the stream where there is none; otherwise nothing is added then.

        Returns
        -------
        EntryId or None
            None where there is no stream, with ``create=False``.

        Raises
        ------
        EncodeError
            If the format cannot carry the event; nothing was sent.
        UncertainWriteError
            If no reply came: the event may or may not have been added. With "*" it is not sent
            again. With an ID of its own, which the server takes once, it was sent again for the
            connection's timeout; or it was refused then, and is not in the stream.
        ConnectError
            If there is no server; nothing was sent.
        redis.exceptions.ResponseError
            If the server refuses, for example an ID that is not the largest; nothing was added.

        Warns
        -----
        RedisnbWarning
            If the event is ``{"payload": json.dumps(event)}``: the field is redisnb's to fill.

        Notes
        -----
        XADD; O(1), and O(n) in the entries trimmed; before Redis 8.2 ``only="acked"`` trims in
        commands of its own. XRANGE looks for an event that was sent again and refused: an entry
        with its ID and its fields is the event.
        """
        _warn_of_text(self, event)
        trimming = Trimming.of(self, maxlen, minid, approximate=approximate, limit=limit, only=only)
        entry_id = "*" if id == "*" else full_ids([id])[0]
        command = _xadd(self, trimming, create=create)
        packed = wire.pack((*command, entry_id, *write_event(event, self.layout)))
        sending = Sending(self.conn, iter([([packed], True)]), 1, again=not entry_id.endswith("*"))
        sending.run()
        (added,) = sending.entry_ids
        if added is not None:
            _trim_afterwards(self, trimming)
            return EntryId(added)
        status, error = sending.wrong[0]
        if isinstance(error, NoStreamError):
            return None
        if status == "unknown":
            raise _uncertain(self, entry_id, error) from error
        assert isinstance(error, redis.ResponseError)
        if entry_id.endswith("-*") and "Invalid stream ID" in str(error):
            error.add_note(f"id={entry_id!r} is for Redis 7 and newer")
        _say_last(self, error)
        raise explain(error, self.key)

    @hinted
    def add_many(
        self,
        events: Iterable[Mapping[Any, Any]] | pd.DataFrame | ArrowTable,
        *,
        ids: Iterable[Position] | str = "*",
        maxlen: int | None = None,
        minid: Position | None = None,
        approximate: bool = False,
        limit: int | None = None,
        only: Only | None = None,
        create: bool = True,
        missing: Missing | None = None,
        errors: Literal["raise", "report"] = "raise",
        label: str | None = None,
        progress: bool = False,
    ) -> pd.DataFrame:
        """Add many events and say of each whether it was added.

        Parameters
        ----------
        events : iterable of mappings, DataFrame or Arrow table
            An iterator is taken as it is sent, never whole. A frame's columns are the members; an
            index with a name is a member too. The columns `entry_id`, `entry_field` and `stream` of
            an ENTRIES frame are not, and its dotted columns are objects again. Tables of polars,
            DuckDB, pyarrow and whatever else has ``__arrow_c_stream__`` are frames, too.
        ids : iterable of IDs or aware times, default "*"
            One for each event, ascending; equal times are numbered in order, from 0 in each call.
        maxlen, minid, approximate, limit, only, create
            As for `add`.
        missing : {"omit", "null"}, optional
            What becomes of a frame's missing values. By default they are null, and left out where
            the frame has a column `entry_id`: a frame of entries is missing what other entries
            have. The format "fields" has no null.
        errors : {"raise", "report"}
            What becomes of events that cannot be sent: "report" makes them rows like the others,
            one that the format cannot carry "failed" and, without a server, all "unsent".
        label : str, optional
            A member that tells your events apart, such as "order_id": its values are a column of
            the result.
        progress : bool
            Show a progress bar.

        Returns
        -------
        DataFrame in schema ADDED
            One row per event in the order given: `entry_id`, `status` and `error`, the server's
            words, and the column that `label` names. The status is "added", "failed" (refused),
            "unknown" (sent, but no reply came) or "unsent". Anything but "added" also gives a
            RedisnbWarning, and so does a connection that was lost before the end of an iterator.

        Raises
        ------
        EncodeError
            If one event cannot be carried, naming row and column; nothing was sent. (Of an
            iterator, whose first events are on their way by then, that row has failed.)
        ConnectError
            If there is no server; nothing was sent. (An iterator is not taken from then, also with
            ``errors="report"``.)

        Notes
        -----
        XADD, pipelined in batches of 1,000; not a transaction. When the connection breaks, events
        with IDs of their own are sent again and the rest follows, as `add` does it, until the
        connection's timeout has passed without one more row known; with "*" nothing is sent any
        more. An iterator then still has the events that were not sent. What it raises itself comes
        when the events before it are added.
        """
        if frames.is_arrow(events):
            events = frames.from_arrow(events)
        if not isinstance(events, Iterable):
            raise TypeError(
                "add_many(events): events are mappings, in a list or an iterator, or a DataFrame, "
                f"not {type(events).__name__}"
            )
        choose(errors, ("raise", "report"), "errors")
        trimming = Trimming.of(self, maxlen, minid, approximate=approximate, limit=limit, only=only)
        labels = None if label is None else Labels(label)
        if labels is not None:
            events = labels.note(events)
        if isinstance(events, pd.DataFrame):
            _warn_of_text(self, next(frames.records(events.iloc[:1], self.layout), None))
        elif isinstance(events, Sequence) and events:
            _warn_of_text(self, events[0])
        if not isinstance(ids, str):
            ids = full_ids(ids)
        commands = Commands(
            cast("Iterable[Mapping[Any, Any]] | pd.DataFrame", events),
            ids,
            _xadd(self, trimming, create=create),
            self.layout,
            missing,
        )
        commands.check(report=errors == "report")
        # What the server numbers is not sent again, which could double it.
        again = not isinstance(ids, str) and not any(id.endswith("*") for id in ids)
        dropping = trimming is not None and trimming.only is None
        with progress_bar(progress, commands.size, "events") as moved:
            sending = Sending(self.conn, commands.parts(), commands.size, again=again, moved=moved)
            try:
                owed = first_owed(self) if dropping else None
                sending.run()
            except ConnectError as error:
                if errors == "raise" or commands.size is None:
                    raise
                sending.unsent(error)
            else:
                warn_if_gone(self, owed)
                _trim_afterwards(self, trimming)
        _say_last(self, *(error for _, error in sending.wrong.values()))
        rows = f"{len(sending.entry_ids):,} events"
        what = ""
        if sending.wrong:
            counts = Counter(status for status, _ in sending.wrong.values())
            stated = ", ".join(f"{n:,} {status}" for status, n in counts.items())
            first = sending.wrong[min(sending.wrong)][1]
            what = f"of {rows} {stated}; first: {reason(first)}"
        elif sending.lost is not None:
            what = f"the iterator may have more than these {rows}: {sending.lost}"
        if what:
            warn(f"{self.key!r}: {what}")
        _log(self, sending)
        frame = _added(sending)
        return frame if labels is None else labels.put_into(frame)


def add_in_parts(
    stream: StreamKey,
    events: Sequence[Mapping[Any, Any]] | pd.DataFrame,
    *,
    count: int = 1_000,
    maxlen: int | None = None,
) -> Iterator[pd.DataFrame]:
    """Add many events in parts, for callers that show progress or stop in between.

    Parameters
    ----------
    events : sequence of mappings, or DataFrame
        As for `Stream.add_many`; the server's clock gives the IDs.
    count : int, default 1,000
        Events per part, at least 1.
    maxlen
        As for `Stream.add`.

    Yields
    ------
    DataFrame in schema ADDED
        One for each part, once it was sent. It is the last one where the connection was lost:
        look for "unknown" and "unsent". Nothing is warned of.

    Raises
    ------
    EncodeError
        At once, if one event cannot be carried, naming row and column; nothing was sent.
    ConnectError
        If there is no server; nothing of the part was sent.

    Notes
    -----
    XADD, pipelined. Nothing is sent again, and nothing more than what was asked for.
    """
    frames.check_limit(count, "count")
    if not count:
        raise ValueError("count=0; a part has at least one event")
    commands = Commands(
        events, "*", _xadd(stream, Trimming.of(stream, maxlen, None)), stream.layout
    )
    commands.check()
    size = commands.size
    if size is None:
        raise TypeError("add_in_parts() takes a sequence or a frame; add_many() takes an iterator")

    def parts() -> Iterator[pd.DataFrame]:
        for start in range(0, size, count):
            stop = min(start + count, size)
            sending = Sending(stream.conn, commands.parts(start, stop), stop - start, again=False)
            sending.run()
            _log(stream, sending)
            yield _added(sending)
            if sending.lost is not None:
                return

    return parts()


def _warn_of_text(stream: StreamKey, event: object) -> None:
    if carries_json(event, stream.layout):
        name = stream.layout.field.decode()
        warn(
            f"this event is JSON text under {name!r}, and is encoded twice; "
            "add(json.loads(text)) adds the event itself"
        )


def _xadd(stream: StreamKey, trimming: Trimming | None, *, create: bool = True) -> list[Any]:
    command: list[Any] = ["XADD", stream.key, *([] if create else ["NOMKSTREAM"])]
    if trimming is None or (trimming.only and not spares(stream)):
        return command
    return [*command, *trimming.arguments(), *(["ACKED"] if trimming.only else [])]


def _trim_afterwards(stream: StreamKey, trimming: Trimming | None) -> None:
    """Trim by commands of its own where XADD cannot spare what a group still has to handle."""
    if trimming is None or not trimming.only or spares(stream):
        return
    try:
        trim(stream, trimming)
    except (redis.RedisError, ConnectError, OSError) as error:
        # What was added has been added, and the caller wants to know its ID.
        warn(f"{stream.key!r}: nothing was trimmed: {reason(error)}")


def _say_last(stream: StreamKey, *errors: Exception) -> None:
    """Say with refusals of an ID which one has to be exceeded."""
    late = [
        error
        for error in errors
        if "equal or smaller" in str(error) and not hasattr(error, "__notes__")
    ]
    with contextlib.suppress(redis.RedisError, ConnectError, OSError):
        found = (stream_info(stream.conn, stream.key) if late else None) or {}
        last = found.get(b"last-generated-id", b"").decode()
        for error in late if last else ():
            error.add_note(f"the last ID of {stream.key!r} is {last}; give a larger one, or id='*'")


def _uncertain(stream: StreamKey, entry_id: str, error: Exception) -> UncertainWriteError:
    look = "tail()" if entry_id.endswith("*") else f"range({entry_id!r}, {entry_id!r})"
    return UncertainWriteError(
        f"{stream.key!r} on {stream.conn.url}: no reply ({reason(error)}), so the event "
        f"may or may not have been added; look with {look} before adding again",
        stream=stream.key,
        rows=1,
    )


def _log(stream: StreamKey, sending: Sending) -> None:
    ids = sending.entry_ids
    logger.info("added %d of %d events to %r", len(ids) - ids.count(None), len(ids), stream.key)


def _added(sending: Sending) -> pd.DataFrame:
    wrong = {row: (status, reason(why)) for row, (status, why) in sending.wrong.items()}
    return frames.added_frame(sending.entry_ids, wrong)
