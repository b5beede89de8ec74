"""Dead letters: what a group gave up on, in a stream of their own beside the one they come from.

The dead letters of the stream ``s`` are the entries of ``s:dead``. Each begins with seven fields,
in this order, and goes on with the entry's own, byte for byte:

=============== ==========================================================
field           value
=============== ==========================================================
dead:stream     the stream it comes from
dead:id         its ID there
dead:group      the group that gave it up
dead:consumer   the consumer that held it
dead:deliveries how often it had been delivered
dead:error      the type of the last error, or what was said by hand
dead:redrives   how often it has been a dead letter and sent back before
=============== ==========================================================

Its own fields may have these names too: the body is whatever follows the first seven.
``s:dead:redrives`` is a hash with the number of redrives of what was sent back, by ID, or by ID and
group where it went back to one group; it is dropped 30 days after the last redrive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import pandas as pd

from redisnb import frames, wire
from redisnb.durations import Duration, milliseconds
from redisnb.entries import Fields, as_text
from redisnb.errors import warn
from redisnb.frames import Types, Where
from redisnb.stream.groups import scripts
from redisnb.stream.groups.key import DEFAULT_LIMIT, GroupKey
from redisnb.stream.groups.scripts import HEAD, NAMES, Outcome
from redisnb.stream.key import Entries, dead_letters_key, ids_of
from redisnb.stream.stream import Stream

__all__ = ["DeadLetters"]

_ID, _COUNT = re.compile(rb"[0-9]+-[0-9]+"), re.compile(rb"[0-9]{1,18}")


class Letter(NamedTuple):
    """One dead letter; the fields stand for themselves, see the module."""

    id: str
    origin: str
    group: str
    consumer: str
    deliveries: int
    error: str
    redrives: int
    body: Fields


class DeadLetters(GroupKey):
    """What a group has given up on."""

    def bury(
        self,
        entries: Entries,
        *,
        min_idle: Duration,
        error: str = "by hand",
    ) -> pd.DataFrame:
        """Make dead letters of pending entries, whoever holds them; `redrive` takes it back.

        A consumer does so by itself at its `max_deliveries`.

        Parameters
        ----------
        entries : IDs, times, or a frame with a column `entry_id`
            For example a selection of `pending`.
        min_idle : duration
            As for `claim`, also for what this consumer holds.
        error : str, default "by hand"
            Why: what `dead_letters` shows as their error.

        Returns
        -------
        DataFrame in schema ADDED
            One row per entry given: `entry_id`, that of its dead letter, or what stands against it
            in `error` with the status "failed". It then stays as it is; but one whose body is gone,
            of which there is nothing to keep, is acknowledged. A RedisnbWarning says so too.

        Raises
        ------
        redis.exceptions.ResponseError
            If the server refuses; the entry that it happened at, and those behind it, stay pending.
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            If a reply does not come. Some may be dead letters and some not, none twice: doing it
            again is safe, and buries those that are left.

        Notes
        -----
        A script for 100 entries at a time: XADD to ``<key>:dead``, then XACK. The letter has the
        deliveries and the consumer that the pending list has; the entry stays in the stream.
        """
        if not isinstance(error, str):
            raise TypeError(f"error is a text such as 'no such item', not {type(error).__name__}")
        ids = ids_of(self.stream, entries)
        key, idle = self.stream.key, milliseconds(min_idle, "min_idle")
        talk = scripts.bury_idle(key, self.name, ids, idle=idle, error=error)
        with self._noting(
            "some may be dead letters; burying the same ones again does so for those that are not"
        ):
            outcome = self._converse(talk)
        return self._moved(outcome, f"{key!r}: of {len(ids):,} entries")

    def dead_letters(
        self, *, limit: int | None = DEFAULT_LIMIT, types: Types = "infer"
    ) -> pd.DataFrame:
        """List the entries that consumers of this group gave up on.

        Parameters
        ----------
        limit, types
            As for `Stream.range`.

        Returns
        -------
        DataFrame in schema DEAD_LETTERS
            Oldest first, with the events' columns; empty where there is none, and the group need
            not exist any more. `entry_id` and the index are those of the dead letter, `origin_id`
            the one that the entry had. ``attrs["foreign"]`` lists entries of the dead letters'
            stream that are none; a RedisnbWarning says so.

        Notes
        -----
        XRANGE over the stream ``<key>:dead``, which holds those of the other groups too; O(n) in
        its length. Reads only. ``Stream(conn, "<key>:dead")`` trims it, or deletes from it.
        """
        frames.check_limit(limit)
        pages = self._pages()
        letters, foreign = _read(pages, self.name, limit)
        more = limit is not None and len(letters) > limit
        frame = self._letter_frame(letters[:limit], types)
        frames.mark_missed(frame, pages.missed, pages.message)
        if foreign:
            frame.attrs["foreign"] = [id.decode() for id in foreign]
            dead = dead_letters_key(self.stream.key)
            warn(
                f"{len(foreign):,} entries of {dead!r} are no dead letters; attrs['foreign'] has "
                f"their IDs, and Stream(conn, {dead!r}) reads them"
            )
        return frames.mark_truncated(
            frame, limit if more else None, DEFAULT_LIMIT, "limit=None lists all"
        )

    def _pages(self) -> wire.Pages:
        return wire.Pages(self.stream.conn, dead_letters_key(self.stream.key), "-", "+")

    def _letters(self) -> list[Letter]:
        return _read(self._pages(), self.name, None)[0]

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
        """Send dead letters back to be handled again; each then is a dead letter no more.

        Parameters
        ----------
        entries : IDs, times, a frame of `dead_letters` or a part of it, or "all"
            Which ones, by their `entry_id`. Give this or `where`.
        where : mapping, str or callable
            As for `Stream.range`, over the frame that `dead_letters` gives.
        to : {"group", "stream"}, default "group"
            "group" puts an entry back at its old ID, pending and for anybody in the group to claim
            at once, with 0 deliveries; other groups do not see it. "stream" adds its fields anew
            at the stream's end, for all groups.
        max_redrives : int, default 3
            Leave what has been redriven that often, at least 1: it would go round for ever.

        Returns
        -------
        DataFrame in schema ADDED
            One row per letter chosen: `entry_id`, the ID that is now to be handled, or what stands
            against it in `error` with the status "failed"; the letter then stays where it is. A
            RedisnbWarning says so too.

        Raises
        ------
        GroupMissingError
            If the letters are to go to the group, and it does not exist; nothing was sent back.
        redis.exceptions.ConnectionError, redis.exceptions.TimeoutError
            If a reply does not come. Some may have gone back and some not, none twice: doing it
            again is safe, and redrives those that are left.

        Notes
        -----
        A script for 100 letters at a time: XCLAIM or XADD, then XDEL from ``<key>:dead``.
        """
        if to not in ("group", "stream"):
            raise ValueError(f"to={to!r}; choose 'group' or 'stream'")
        if isinstance(max_redrives, bool) or not isinstance(max_redrives, int) or max_redrives < 1:
            raise ValueError(f"max_redrives={max_redrives!r}; it is a number of times, at least 1")
        chosen = self._chosen(entries, where)
        key = self.stream.key
        talk = scripts.redrive(
            key, self.name, self.consumer, chosen, to=to, max_redrives=max_redrives
        )
        with self._noting(
            "some dead letters may have gone back; redriving the same ones again does so for "
            "those that have not"
        ):
            outcome = self._converse(talk)
        return self._moved(outcome, f"{dead_letters_key(key)!r}: of {len(chosen):,} dead letters")

    def _moved(self, outcome: Outcome, of: str) -> pd.DataFrame:
        if wrong := outcome.wrong:
            warn(f"{of} {len(wrong):,} failed; first: {wrong[min(wrong)][1]}")
        return frames.added_frame(outcome.entry_ids, wrong)

    def _chosen(self, entries: Entries | None, where: Where | None) -> list[str]:
        """Return the IDs of the dead letters that `redrive` was told to send back."""
        if (entries is None) is (where is None):
            raise ValueError(
                "say which dead letters, by entries or by where=; redrive('all') takes all of this "
                "group"
            )
        if isinstance(entries, str) and entries == "all":
            return [letter.id for letter in self._letters()]
        if where is None:
            assert entries is not None
            dead = Stream(self.stream.conn, dead_letters_key(self.stream.key))
            return ids_of(dead, entries)
        letters = self._letter_frame(self._letters())
        filter = frames.Filter(where, self.stream.layout)
        wanted = filter.of_frame(letters)
        if len(letters):
            filter.check()
        return frames.entry_ids(letters[wanted])


def _read(
    pages: Iterable[Sequence[tuple[bytes, Fields]]], group: str, limit: int | None
) -> tuple[list[Letter], list[bytes]]:
    """Return a group's letters among entries, to just beyond `limit`, and the IDs of what is none.

    Letters of other groups are in neither.
    """
    letters: list[Letter] = []
    foreign: list[bytes] = []
    for page in pages:
        for id, fields in page:
            letter = _letter(id, fields)
            if letter is None:
                foreign.append(id)
            elif letter.group == group:
                letters.append(letter)
        if limit is not None and len(letters) > limit:
            break
    return letters, foreign


def _letter(id: bytes, fields: Fields) -> Letter | None:
    names, values, body = fields[:HEAD:2], fields[1:HEAD:2], fields[HEAD:]
    if tuple(names) != NAMES or not body:
        return None
    _, origin, group, consumer, deliveries, error, redrives = values
    if not (_ID.fullmatch(origin) and _COUNT.fullmatch(deliveries) and _COUNT.fullmatch(redrives)):
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
