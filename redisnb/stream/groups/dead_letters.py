"""Dead letters: entries that a group gave up on, moved to another stream.

The dead letters of the stream ``s`` are the entries of ``s:dead``. Each begins with seven fields,
in this order, followed by the fields of the entry, byte for byte:

=============== ==========================================================
field           value
=============== ==========================================================
dead:stream     the stream of the entry
dead:id         its ID there
dead:group      the group that gave up
dead:consumer   the consumer that held it
dead:deliveries how often it was delivered
dead:error      the type of the last error, or the text given to `bury`
dead:redrives   how often it was redriven before
=============== ==========================================================

The fields of the entry may have these names too: its body is everything after the first seven.
``s:dead:redrives`` is a hash with the number of redrives of each entry that was redriven, by ID, or
by ID and group if it went back to one group; it expires 30 days after the last redrive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import pandas as pd

from redisnb import frames, wire
from redisnb.durations import Duration, milliseconds
from redisnb.entries import Entry, Fields, as_text
from redisnb.errors import warn
from redisnb.frames import Types, Where
from redisnb.stream.groups import scripts
from redisnb.stream.groups.key import GroupKey
from redisnb.stream.groups.scripts import LETTER_FIELDS, LETTER_HEAD, Outcome
from redisnb.stream.key import DEFAULT_LIMIT, Entries, dead_letters_key, ids_of
from redisnb.stream.stream import Stream

__all__ = ["DeadLetters", "letter_of", "without_letter_head"]

_ORIGIN_ID, _COUNT = re.compile(rb"[0-9]+-[0-9]+"), re.compile(rb"[0-9]{1,18}")


class Letter(NamedTuple):
    """A dead letter, with the values of its fields, see the module."""

    id: str
    origin: str
    group: str
    consumer: str
    deliveries: int
    error: str
    redrives: int
    body: Fields


class DeadLetters(GroupKey):
    """The methods of a group for dead letters."""

    def bury(
        self,
        entries: Entries,
        *,
        min_idle: Duration,
        error: str = "by hand",
    ) -> pd.DataFrame:
        """Make dead letters of pending entries of any consumer; `redrive` undoes it.

        A consumer does this itself after its `max_deliveries`.

        Parameters
        ----------
        entries : IDs, times, or a frame with a column `entry_id`
            For example a selection of `pending`.
        min_idle : duration
            As for `claim`, also for entries that this consumer holds.
        error : str, default "by hand"
            The reason, which `dead_letters` shows as the error.

        Returns
        -------
        DataFrame in schema ADDED
            One row per entry: `entry_id` is the ID of its dead letter; or the status is "failed",
            `error` says why, and the entry is unchanged. An entry whose body is gone fails and is
            acknowledged. A RedisnbWarning reports failures too.

        Raises
        ------
        redis.exceptions.ResponseError
            If the server refuses: that entry and the following ones stay pending.
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            If there is no reply. Some entries may be dead letters, none twice: repeating the call
            is safe, and buries the others.

        Notes
        -----
        A script for 100 entries at a time: XADD to ``<key>:dead``, then XACK. The letter has the
        deliveries and the consumer of the pending list; the entry stays in the stream.

        Examples
        --------
        >>> frame = billing.read(2)
        >>> coffee = frame[frame["item"] == "coffee"]
        >>> billing.bury(coffee, min_idle="0ms", error="sold out")["status"].tolist()
        ['added']
        >>> billing.pending(payload=True)["item"].tolist()
        ['tea']
        """
        if not isinstance(error, str):
            raise TypeError(f"error is a text such as 'no such item', not {type(error).__name__}")
        ids = ids_of(self.stream, entries)
        key, idle = self.stream.key, milliseconds(min_idle, "min_idle")
        conversation = scripts.bury_idle(key, self.name, ids, idle=idle, error=error)
        with self._noting(
            "some may be dead letters; burying the same ones again buries the others"
        ):
            outcome = self._converse(conversation)
        return self._result(outcome, f"{key!r}: of {len(ids):,} entries")

    def dead_letters(
        self, *, limit: int | None = DEFAULT_LIMIT, types: Types = "infer"
    ) -> pd.DataFrame:
        """List the dead letters of this group.

        Parameters
        ----------
        limit, types
            As for `Stream.range`.

        Returns
        -------
        DataFrame in schema DEAD_LETTERS
            Oldest first, with the events' columns; empty without letters. The group need not exist
            any more. `entry_id` and the index are those of the dead letter, `origin_id` is the ID
            of the entry. ``attrs["foreign"]`` lists other entries of the stream of dead letters; a
            RedisnbWarning reports them too.

        Notes
        -----
        XRANGE over the stream ``<key>:dead``, which has those of all groups; O(n) in its length.
        Reads only. ``Stream(conn, "<key>:dead")`` can trim it or delete from it.

        Examples
        --------
        >>> buried = billing.bury(billing.read(1), min_idle="0ms", error="no such item")
        >>> letters = billing.dead_letters()
        >>> letters[["origin_id", "error", "item"]].to_dict("records")
        [{'origin_id': '1714559400000-0', 'error': 'no such item', 'item': 'tea'}]
        """
        frames.check_limit(limit)
        pages = self._pages()
        letters, foreign = _letters_of(pages, self.name, limit)
        more = limit is not None and len(letters) > limit
        frame = self._letter_frame(letters[:limit], types)
        frames.mark_missed(frame, pages.missed, pages.message)
        if foreign:
            frame.attrs["foreign"] = [id.decode() for id in foreign]
            dead = dead_letters_key(self.stream.key)
            warn(
                f"{len(foreign):,} entries of {dead!r} are not dead letters; attrs['foreign'] has "
                f"their IDs, and Stream(conn, {dead!r}) reads them"
            )
        return frames.mark_truncated(
            frame, limit if more else None, DEFAULT_LIMIT, "limit=None lists all"
        )

    def _pages(self) -> wire.Pages:
        return wire.Pages(self.stream.conn, dead_letters_key(self.stream.key), "-", "+")

    def _letters(self) -> list[Letter]:
        return _letters_of(self._pages(), self.name, None)[0]

    def _letter_frame(self, letters: Sequence[Letter], types: Types = "infer") -> pd.DataFrame:
        rows, bodies = [letter[:-1] for letter in letters], [letter.body for letter in letters]
        return frames.dead_letters_frame(rows, bodies, self.stream.layout, types=types)

    def redrive(
        self,
        entries: Entries | None = None,
        *,
        where: Where | None = None,
        to: Literal["group", "stream"] = "group",
        max_redrives: int = 3,
    ) -> pd.DataFrame:
        """Send dead letters back to be handled again; they are then not dead letters any more.

        Parameters
        ----------
        entries : IDs, times, a frame of `dead_letters` or a part of it, or "all"
            The letters, by their `entry_id`. Give this or `where`.
        where : mapping, str or callable
            As for `Stream.range`, over the frame that `dead_letters` returns.
        to : {"group", "stream"}, default "group"
            "group" makes the entry pending again under its ID, with 0 deliveries, for any consumer
            of the group to claim at once; other groups do not see it. "stream" adds its fields to
            the end of the stream, for all groups.
        max_redrives : int, default 3
            Leave letters that were redriven this often, at least 1, so that none circulates
            forever.

        Returns
        -------
        DataFrame in schema ADDED
            One row per letter: `entry_id` is the ID of the entry to be handled; or the status is
            "failed", `error` says why, and the letter is unchanged. A RedisnbWarning reports
            failures too.

        Raises
        ------
        GroupMissingError
            If the letters go to the group and it does not exist: nothing was redriven.
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            If there is no reply. Some letters may have been redriven, none twice: repeating the
            call is safe, and redrives the others.

        Notes
        -----
        A script for 100 letters at a time: XCLAIM or XADD, then XDEL from ``<key>:dead``.

        Examples
        --------
        >>> buried = billing.bury(billing.read(1), min_idle="0ms", error="sold out")
        >>> billing.redrive(where={"error": "sold out"})["status"].tolist()
        ['added']
        >>> billing.dead_letters().empty, len(billing.pending())
        (True, 1)
        """
        if to not in ("group", "stream"):
            raise ValueError(f"to={to!r}; choose 'group' or 'stream'")
        if isinstance(max_redrives, bool) or not isinstance(max_redrives, int) or max_redrives < 1:
            raise ValueError(f"max_redrives={max_redrives!r}; it is a number, at least 1")
        chosen = self._chosen(entries, where)
        key = self.stream.key
        conversation = scripts.redrive(
            key, self.name, self.consumer, chosen, to=to, max_redrives=max_redrives
        )
        with self._noting(
            "some may have been redriven; redriving the same ones again redrives the others"
        ):
            outcome = self._converse(conversation)
        return self._result(outcome, f"{dead_letters_key(key)!r}: of {len(chosen):,} dead letters")

    def _result(self, outcome: Outcome, of: str) -> pd.DataFrame:
        if wrong := outcome.wrong:
            warn(f"{of} {len(wrong):,} failed; first: {wrong[min(wrong)][1]}")
        return frames.added_frame(outcome.entry_ids, wrong)

    def _chosen(self, entries: Entries | None, where: Where | None) -> list[str]:
        """Return the IDs of the dead letters that the arguments of `redrive` name."""
        if (entries is None) is (where is None):
            raise ValueError(
                "name the letters by entries or where=; redrive('all') takes all of this group"
            )
        if isinstance(entries, str) and entries == "all":
            return [letter.id for letter in self._letters()]
        if where is None:
            assert entries is not None
            dead = Stream(self.stream.conn, dead_letters_key(self.stream.key))
            return ids_of(dead, entries)
        letters = self._letter_frame(self._letters())
        filter = frames.Filter(where, self.stream.layout)
        mask = filter.of_frame(letters)
        if len(letters):
            filter.check()
        return frames.entry_ids(letters[mask])


def _letters_of(
    pages: Iterable[Sequence[tuple[bytes, Fields]]], group: str, limit: int | None
) -> tuple[list[Letter], list[bytes]]:
    """Return the letters of a group, to just beyond `limit`, and the IDs of other entries.

    Letters of other groups are in neither list.
    """
    letters: list[Letter] = []
    foreign: list[bytes] = []
    for page in pages:
        for id, fields in page:
            letter = letter_of(id, fields)
            if letter is None:
                foreign.append(id)
            elif letter.group == group:
                letters.append(letter)
        if limit is not None and len(letters) > limit:
            break
    return letters, foreign


def without_letter_head(entry: Entry) -> Entry:
    """Return a dead letter with the fields that its entry had; another entry as it is."""
    flat = tuple(each for pair in entry.fields for each in pair)
    if letter_of(entry.id.encode(), flat) is None:
        return entry
    return replace(entry, fields=entry.fields[len(LETTER_FIELDS) :])


def letter_of(id: bytes, fields: Fields) -> Letter | None:
    """Return an entry as a dead letter, None if it is not one."""
    names, values, body = fields[:LETTER_HEAD:2], fields[1:LETTER_HEAD:2], fields[LETTER_HEAD:]
    if tuple(names) != LETTER_FIELDS or not body:
        return None
    _, origin, group, consumer, deliveries, error, redrives = values
    if not (
        _ORIGIN_ID.fullmatch(origin) and _COUNT.fullmatch(deliveries) and _COUNT.fullmatch(redrives)
    ):
        return None
    return Letter(
        id.decode(),
        origin.decode(),
        as_text(group),
        as_text(consumer),
        int(deliveries),
        as_text(error),
        int(redrives),
        body,
    )
