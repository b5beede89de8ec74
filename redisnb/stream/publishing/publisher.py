"""The methods of a stream that add events."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, overload

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
from redisnb.stream.publishing.packing import Commands, as_events, first_event
from redisnb.stream.publishing.sending import NoStreamError, Sending, reason
from redisnb.stream.removing import Only, Trimming, first_owed, spares, trim, warn_if_gone
from redisnb.stream.state import stream_info

__all__ = ["Publisher", "add_in_parts"]


class Publisher(StreamKey):
    """The methods of a stream that add events."""

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
        """Add one event to the end of the stream and return its entry ID.

        Parameters
        ----------
        event : mapping
            Values that the stream's format can carry: for JSON, any nesting of JSON types.
        id : ID or time, default "*"
            "*" lets the server generate it from its clock, "5-*" the next one in millisecond 5
            (since Redis 7). Each ID must be larger than the one before.
        maxlen : int, optional
            Trim the stream to this many entries, at least 0.
        minid : ID or time, optional
            Trim entries older than this.
        approximate, limit, only
            As for `trim`; ``only="acked"`` keeps entries that a group still has to handle.
        create : bool, default True
            Create the stream if it does not exist; with False nothing is added then.

        Returns
        -------
        EntryId or None
            None without the stream, with ``create=False``.

        Raises
        ------
        EncodeError
            If the format cannot carry the event; nothing was sent.
        UncertainWriteError
            If there is no reply: the event may or may not have been added. With "*" it is not sent
            again. With an explicit ID, which the server accepts once, it was sent again until the
            connection's timeout; or it was refused then, and is not in the stream.
        ConnectError
            If the server cannot be reached; nothing was sent.
        redis.exceptions.ResponseError
            If the server refuses, for example an ID that is not the largest; nothing was added.

        Warns
        -----
        RedisnbWarning
            If the event is ``{"payload": json.dumps(event)}``: redisnb encodes it itself.

        Notes
        -----
        XADD; O(1), and O(n) in the entries trimmed; before Redis 8.2 ``only="acked"`` trims with
        separate commands. If an event was sent again and refused, XRANGE looks for it: an entry
        with its ID and its fields is the event.

        Examples
        --------
        >>> orders.add({"item": "tea", "amount": 2}, id="2024-05-01 10:40")
        '1714560000000-0'
        >>> orders.add({"item": "milk", "by": {"name": "Ann"}}, id="2024-05-01 10:41", maxlen=1000)
        '1714560060000-0'
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
            raise _uncertain_write(self, entry_id, error) from error
        assert isinstance(error, redis.ResponseError)
        if entry_id.endswith("-*") and "Invalid stream ID" in str(error):
            error.add_note(f"id={entry_id!r} is for Redis 7 and newer")
        _note_last_id(self, error)
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
        """Add many events and return for each whether it was added.

        Parameters
        ----------
        events : iterable of mappings, DataFrame or Arrow table
            An iterator is taken while its events are sent, never whole. The columns of a frame are
            the members, as is a named index. The columns `entry_id`, `entry_field` and `stream` of
            an ENTRIES frame are not written, and its dotted columns become objects again. Tables
            of polars, DuckDB, pyarrow and all others with ``__arrow_c_stream__`` count as frames.
        ids : iterable of IDs or aware times, default "*"
            One for each event, ascending; equal times are numbered in order, from 0 in each call.
        maxlen, minid, approximate, limit, only, create
            As for `add`.
        missing : {"omit", "null"}, optional
            How to write a frame's missing values. By default as null, but left out if the frame has
            a column `entry_id`: in a frame of entries they are columns of other entries. The format
            "fields" has no null.
        errors : {"raise", "report"}
            How to treat events that cannot be sent: "report" returns rows for them too, "failed" if
            the format cannot carry one, and "unsent" for all without a server.
        label : str, optional
            A member that identifies the events, such as "order_id", as a column of the result.
        progress : bool
            Show a progress bar.

        Returns
        -------
        DataFrame in schema ADDED
            One row per event, in order: `entry_id`, `status` and `error`, the server's text, and
            the column that `label` names. The status is "added", "failed" (refused), "unknown"
            (sent, but no reply) or "unsent". A RedisnbWarning reports all but "added", and a
            connection that was lost before the end of an iterator.

        Raises
        ------
        EncodeError
            If an event cannot be written, naming row and column; nothing was sent. (From an
            iterator, whose first events are already sent, that row has failed.)
        ConnectError
            If the server cannot be reached; nothing was sent. (Nothing is then taken from an
            iterator, also with ``errors="report"``.)

        Notes
        -----
        XADD, pipelined in batches of 1,000; not a transaction. When the connection breaks, events
        with explicit IDs are sent again, as by `add`, and the rest follows, until the connection's
        timeout has passed without another row settled; with "*" nothing more is sent. An iterator
        then still has the events that were not sent. An error that the iterator raises is raised
        after the events before it are added.

        Examples
        --------
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"item": ["tea", "milk"], "amount": [2, 1]})
        >>> orders.add_many(frame, ids=["2024-05-01 10:40", "2024-05-01 10:41"])
                  entry_id status error
        0  1714560000000-0  added   NaN
        1  1714560060000-0  added   NaN
        """
        choose(errors, ("raise", "report"), "errors")
        trimming = Trimming.of(self, maxlen, minid, approximate=approximate, limit=limit, only=only)
        many, labels = as_events(events), None if label is None else Labels(label)
        if labels is not None:
            many = labels.collect(many)
        _warn_of_text(self, first_event(many, self.layout))
        if not isinstance(ids, str):
            ids = full_ids(ids)
        commands = Commands(
            many,
            ids,
            _xadd(self, trimming, create=create),
            self.layout,
            missing,
        )
        commands.check(report=errors == "report")
        # Without explicit IDs a second attempt could add an event twice.
        again = not isinstance(ids, str) and not any(id.endswith("*") for id in ids)
        dropping = trimming is not None and trimming.only is None
        with progress_bar(progress, commands.size, "events") as advance:
            sending = Sending(
                self.conn, commands.parts(), commands.size, again=again, advance=advance
            )
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
        _note_last_id(self, *(error for _, error in sending.wrong.values()))
        _warn_of_failures(self, sending)
        _log(self, sending)
        frame = _added(sending)
        return frame if labels is None else labels.add_to(frame)


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
        One for each part, after it was sent. If the connection was lost it is the last one, with
        rows "unknown" and "unsent". There are no warnings.

    Raises
    ------
    EncodeError
        At once, if an event cannot be written, naming row and column; nothing was sent.
    ConnectError
        If the server cannot be reached; nothing of the part was sent.

    Notes
    -----
    XADD, pipelined. Nothing is sent again, and a part only when it is asked for.
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
    """Trim with separate commands if XADD cannot spare entries that a group has to handle."""
    if trimming is None or not trimming.only or spares(stream):
        return
    try:
        trim(stream, trimming)
    except (redis.RedisError, ConnectError, OSError) as error:
        # The event was added, and the caller needs its ID.
        warn(f"{stream.key!r}: nothing was trimmed: {reason(error)}")


def _note_last_id(stream: StreamKey, *errors: Exception) -> None:
    """Add to errors that refuse an ID the last ID of the stream."""
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


def _warn_of_failures(stream: StreamKey, sending: Sending) -> None:
    rows = f"{len(sending.entry_ids):,} events"
    if sending.wrong:
        counts = Counter(status for status, _ in sending.wrong.values())
        stated = ", ".join(f"{n:,} {status}" for status, n in counts.items())
        first = sending.wrong[min(sending.wrong)][1]
        warn(f"{stream.key!r}: of {rows} {stated}; first: {reason(first)}")
    elif sending.lost is not None:
        warn(f"{stream.key!r}: the iterator may have more than these {rows}: {sending.lost}")


def _uncertain_write(stream: StreamKey, entry_id: str, error: Exception) -> UncertainWriteError:
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
