"""KeysPanel: look for keys, see what is in them, and change or delete one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pandas as pd
import redis

from redisnb.durations import Duration
from redisnb.entries import to_bytes
from redisnb.errors import RedisnbError, is_passing
from redisnb.keyspace import MOST_KEYS, Cache, described_keys, key_pages, preview
from redisnb.panels.keys.key_list import Found, written
from redisnb.panels.keys.value import Value
from redisnb.panels.widgets import (
    ERRORS,
    VALUE,
    Button,
    Choice,
    Column,
    Controls,
    Field,
    Panel,
    Table,
    Text,
    cut,
    number,
    words,
)
from redisnb.wire import Connection, check_connection

__all__ = ["KeysPanel"]

#: The shortest times between two refreshes and two looks at the server, in seconds.
PAUSE, LOOK = 0.2, 1.0
#: How much of a key's name is shown above its value.
NAME = 1_000
#: How many keys are looked at again at once.
CHUNK = 2_000
#: A longer text is not to be edited in a field.
EDITED = 100_000

_TYPES = ("string", "hash", "list", "set", "zset", "stream")
_NOTHING_YET = "Nothing yet: press Scan to look for keys."
_READ_ONLY = "this connection is read-only"
_GONE = "is not there any more"
_CHANGES = ("delete", "expire", "persist", "write")


class _Walk:
    """One scan, and what it has found so far."""

    def __init__(self, conn: Connection, match: str, type: str, state: str) -> None:
        self._conn, self.match, self.type, self.state = conn, match, type, state
        self.pages = key_pages(conn, match, type=type or None)
        self.found = Found()
        self.has_begun = self.has_all = False
        self.gone = 0

    def anew(self) -> _Walk:
        """Return the same scan, from its beginning."""
        return _Walk(self._conn, self.match, self.type, "reading")

    def end(self, state: str) -> None:
        """Give up, or be through."""
        self.has_all = state == "ready" and len(self.found) <= MOST_KEYS
        self.state = state
        self.found.end(MOST_KEYS)


class KeysPanel(Panel):
    """Look for keys by pattern and type, and see what is in them.

    Nothing is read before Scan. Keys are there to be used as soon as they are found, up to 100,000
    of them; their TTLs count down without the server, which is asked again about those whose time
    has run out. The key that is selected is shown, and looked at once a second: if it changes,
    expires or goes, the panel says so. What changes a key wants its name typed.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns. A read-only one changes nothing.
    match : str, default "*"
        The pattern to begin with, as for `redisnb.keys`.
    snapshot : bool, default True
        Let a saved notebook show the first 20 keys, where no widget runs.

    Attributes
    ----------
    last_error : BaseException or None
        What did not work.

    Examples
    --------
    >>> KeysPanel(conn, "user:*")
    """

    def __init__(self, conn: Connection, match: str = "*", *, snapshot: bool = True) -> None:
        check_connection(conn, "KeysPanel(conn)")
        if not isinstance(match, str):
            raise TypeError(f"match is a pattern as text, not {type(match).__name__}")
        self.conn = conn
        self._walk = _Walk(conn, match, "", "ready")
        self._unmeasured: list[str] = []
        # The key that is open, what was read of it (None: it has no preview), and when it goes.
        self._name: str | None = None
        self._seen: pd.DataFrame | None = None
        self._expires_at: Any = None
        self._wanted: str | None = None
        # The scan, its state and its version.
        self._drawn: tuple[_Walk | None, str, int] = (None, "", -1)
        self._drawn_at = self._draw_from = self._look_from = 0.0
        self._chosen: list[str] = []
        self._controls = Controls(
            Field("match", "Pattern", hint="*", width="16em", tip="user:*, h?llo, [ab]*"),
            Choice("type", "Type", _types()),
            Button("scan", "Scan", look="primary", tip="Look for keys (Ctrl+Enter)"),
            Button("stop", "Stop", tip="Stop; what was found stays"),
            Button("memory", "Memory", tip="MEMORY USAGE of the selected keys, else of all"),
            on_act=self._act,
            submit="scan",
            match=match,
        )
        self._counts = Text("rnb-note")
        self._table = Table(
            label="Keys",
            key="key",
            empty=_NOTHING_YET,
            on_select=self._selected,
            on_open=lambda key: self._open(self._table.rows([key])),
        )
        self._reading = Controls(
            Button("again", "Read again", tip="Read the key once more"),
            Button("close", "Close", tip="Do not look at this key any more"),
            on_act=self._act,
        )
        self._value = Value(self._reading)
        self._edit = Controls(
            Field("confirm", "Its name, to change it", width="16em"),
            Button("delete", "Delete", look="danger", tip="UNLINK"),
            Field("ttl", "Time to live", hint="10min", width="6em"),
            Button("expire", "Let it expire", tip="PEXPIRE"),
            Button("persist", "Keep for ever", tip="PERSIST"),
            Field("text", "Text", rows=4),
            Button("write", "Save the text", tip="SET, if it still holds what is shown"),
            on_act=self._change,
        )
        self._changes = Column(self._edit)
        self._answer = Text("rnb-note", role="status")
        super().__init__(
            "Keys",
            conn.name,
            self._controls,
            self._counts,
            self._table,
            self._value,
            self._changes,
            self._answer,
            snapshot=snapshot,
        )
        self._close_key()
        self._refresh()

    def __repr__(self) -> str:
        return f"KeysPanel({self._walk.match!r})"

    def frame(self) -> pd.DataFrame:
        """Return the keys that were found, in schema KEYS, with the TTLs of this moment.

        By name once the scan has ended. ``attrs["truncated"]`` says whether there may be more.
        """
        with self._lock:
            frame = self._walk.found.frame()
            frame.attrs["truncated"] = not self._walk.has_all
            return frame

    def python(self) -> str:
        """Return the call that does the same without the panel."""
        with self._lock:
            walk = self._walk
            kind = f", type={walk.type!r}" if walk.type else ""
            sizes = ", sizes=True" if walk.found.has_sizes() else ""
            only = ", read_only=True" if self.conn.read_only else ""
            lines = ["import redisnb as rnb", "", f"conn = rnb.connect({self.conn.url!r}{only})"]
            lines.append(f"rnb.keys(conn, {walk.match!r}{kind}{sizes})")
            if self._name is not None:
                lines.append(_call(self._name))
            return "\n".join(lines)

    # -- what the buttons do

    def scan(self, match: str | None = None, type: str | None = None) -> None:
        """Begin to look for keys, in the background; what was found before goes.

        Parameters
        ----------
        match, type : str, optional
            As for `redisnb.keys`; "" is any type. By default what stands in the panel's fields.
        """
        self._attempt(self._begin, match, type)

    def stop(self) -> None:
        """Stop looking; what was found stays."""
        with self._lock:
            self._unmeasured = []
            if self._walk.state == "reading":
                self._walk.end("stopped")
                self._clear()
        self._refresh(now=True)

    def memory(self, keys: Iterable[str] | None = None) -> None:
        """Read how much memory keys take, in the background: of some, or of all that were found."""
        with self._lock:
            self._unmeasured = self._walk.found.names() if keys is None else list(keys)
        self._refresh()
        self._ticker.start()

    def preview(self, key: str) -> pd.DataFrame | None:
        """Show what a key holds, and return it as `redisnb.preview` does.

        None if that did not work; the panel says why.
        """
        found: pd.DataFrame | None = self._attempt(self._read, key)
        self._ticker.start()
        return found

    def delete(self, key: str, *, confirm: str) -> bool:
        """Delete a key; say whether there was one.

        Parameters
        ----------
        confirm : str
            The key again; anything else deletes nothing.

        Notes
        -----
        UNLINK.
        """
        cache = Cache(self.conn)
        return self._do(key, confirm, lambda: bool(cache.delete(key)), "was deleted", _GONE)

    def expire(self, key: str, ttl: Duration, *, confirm: str) -> bool:
        """Let a key live for `ttl` from now, and say whether there is one; confirm as in `delete`.

        Notes
        -----
        PEXPIRE.
        """
        cache = Cache(self.conn)
        return self._do(key, confirm, lambda: cache.expire(key, ttl), "has a new expiry", _GONE)

    def persist(self, key: str, *, confirm: str) -> bool:
        """Let a key live for ever, and say whether it would have expired; confirm as in `delete`.

        Notes
        -----
        PERSIST.
        """
        cache, missed = Cache(self.conn), "has no expiry, or is not there any more"
        return self._do(
            key, confirm, lambda: cache.persist(key), "does not expire any more", missed
        )

    def write(self, key: str, text: str, *, confirm: str) -> bool:
        """Put a text into the string that is shown; say whether that was done.

        It keeps its TTL. A string that has changed since it was read is left as it is.

        Parameters
        ----------
        key : str
            The key that is shown, see `preview`.
        text : str
            Stored as it is.
        confirm : str
            The key again.

        Notes
        -----
        WATCH, GET, and SET with KEEPTTL inside MULTI and EXEC.
        """
        return self._do(key, confirm, lambda: self._put(key, text), "was written", "")

    def _act(self, name: str) -> None:
        if name == "memory":
            self.memory(self._chosen or None)
        elif name == "again":
            with self._lock:
                self._wanted = self._name
            self._ticker.start()
        elif name == "close":
            self._close_key()
        elif name in ("scan", "stop"):
            getattr(self, name)()

    def _change(self, name: str) -> None:
        """Do what a button below a key says, if its name was typed."""
        with self._lock:
            key = self._name
        if name not in _CHANGES or key is None:
            return
        typed = str(self._edit["confirm"]).strip()
        is_right = typed in (key, written(key))
        self._edit.wrong(confirm="" if is_right else f"type {cut(written(key))} here", ttl="")
        if not is_right:
            return
        if name == "expire":
            ttl = str(self._edit["ttl"]).strip()
            self.expire(key, float(ttl) if ttl.isdigit() else ttl, confirm=typed)
            if isinstance(self.last_error, ValueError):
                self._edit.wrong(ttl="write 500ms, 10min or a number of seconds")
        elif name == "write":
            self.write(key, str(self._edit["text"]), confirm=typed)
        else:
            getattr(self, name)(key, confirm=typed)

    def _do(
        self,
        key: str,
        confirm: str,
        change: Callable[[], bool],
        done: str,
        missed: str,
    ) -> bool:
        """Change a key, say what came of it, and read it again."""

        def attempt() -> bool:
            if confirm not in (key, written(key)):
                raise ValueError(
                    f"nothing was done: confirm={confirm!r} is not the name of the key, {key!r}"
                )
            self._answer.value = ""
            is_done = change()
            self._answer.value = f"{cut(written(key))} {done if is_done else missed}"
            self._edit["confirm"] = ""
            # What is deleted here is not counted as gone.
            self._walk.found.renew([key], self._row(key), pd.Timestamp.now("UTC"))
            if key == self._name:
                self._read(key)
            self._refresh(now=True)
            return is_done

        return bool(self._attempt(attempt))

    def _put(self, key: str, text: str) -> bool:
        seen = self._text() if key == self._name else None
        if seen is None:
            raise ValueError(
                f"{key!r} is not shown as a text; preview({key!r}) first, so that it is known what "
                "is replaced"
            )

        def replace(pipe: Any) -> None:
            if pipe.get(to_bytes(key)) != to_bytes(seen):
                raise RedisnbError(
                    "nothing was written: it has changed since it was read; read it again"
                )
            pipe.multi()
            pipe.set(to_bytes(key), to_bytes(text), keepttl=True)

        self.conn.client.transaction(replace, to_bytes(key))
        return True

    def _begin(self, match: str | None, type: str | None) -> None:
        match = str(self._controls["match"]) if match is None else match
        type = str(self._controls["type"]) if type is None else type
        wrong = "" if match else "write a pattern; * finds all keys"
        self._controls.wrong(match=wrong)
        if wrong:
            raise ValueError(f"match='' finds nothing; {wrong}")
        self._controls["match"] = match
        self._controls.offer("type", _types(type))
        self._controls["type"] = type
        self._walk = _Walk(self.conn, match, type, "reading")
        self._unmeasured = []
        self._answer.value = ""
        self._refresh()
        self._ticker.start()

    # -- one key

    def _selected(self) -> None:
        rows = self._table.chosen()
        self._chosen = rows["key"].tolist()
        if len(rows) == 1:
            self._open(rows)
        self._refresh()

    def _open(self, rows: pd.DataFrame) -> None:
        if len(rows):
            with self._lock:
                self._wanted = rows["key"].iloc[0]
            # To read it may take a while.
            self._ticker.start()

    def _close_key(self) -> None:
        with self._lock:
            self._name = self._seen = self._wanted = None
            self._value.show(False)
            self._changes.show(False)
            self._table.select([])
            self._chosen = []

    def _ask(self, name: str) -> tuple[pd.DataFrame | None, pd.DataFrame, str]:
        """Return what a key holds, its row of KEYS, and why it has no preview."""
        frame, problem = None, ""
        try:
            frame = preview(self.conn, name)
        except ERRORS as error:
            if is_passing(error) or isinstance(error, TypeError):
                raise
            problem = words(error)
        return frame, self._row(name), problem

    def _row(self, name: str) -> pd.DataFrame:
        sizes = self._walk.found.has_sizes()
        return described_keys(self.conn, [to_bytes(name)], sizes=sizes)

    def _read(self, name: str) -> pd.DataFrame | None:
        """Read a key and show it."""
        read_at = pd.Timestamp.now("UTC")
        frame, row, problem = self._ask(name)
        with self._lock:
            before = self._text()
            if name != self._name:
                before = None
                self._edit["confirm"] = ""
                self._edit.wrong(confirm="", ttl="")
                self._answer.value = ""
            self._name, self._seen = name, frame
            self._value.put(cut(written(name), NAME), frame, _call(name))
            self._value.say(problem)
            self._note_row(name, row, read_at)
            self._offer_changes(name, before)
            self._refresh(now=True)
        return frame

    def _note_row(self, name: str, row: pd.DataFrame, read_at: pd.Timestamp) -> None:
        found = self._walk.found
        self._walk.gone += found.renew([name], row, read_at)
        self._expires_at = row["expires_at"].iloc[0] if len(row) else pd.NaT
        self._value.tell(found.left(row["expires_at"]).iloc[0] if len(row) else pd.NaT)

    def _look_at(self, name: str, seen: pd.DataFrame) -> None:
        """See whether the key that is open is still what is shown of it."""
        read_at = pd.Timestamp.now("UTC")
        frame, row, problem = self._ask(name)
        with self._lock:
            if self._seen is not seen:
                return
            note = problem
            if frame is not None and frame.attrs["type"] == "none" != seen.attrs["type"]:
                over = pd.notna(self._expires_at) and self._walk.found.has_passed(self._expires_at)
                why = "has expired" if over else "was deleted or renamed"
                note = f"It {why}; this is what was read of it."
                self._walk.gone += self._walk.found.renew([name], row, read_at)
                self._changes.show(False)
            else:
                self._note_row(name, row, read_at)
                if frame is not None and not _same(seen, frame):
                    note = "It has changed: Read again shows how."
            self._value.say(note)

    def _offer_changes(self, name: str, before: str | None) -> None:
        seen, text = self._seen, self._text()
        is_string = seen is not None and seen.attrs["type"] == "string"
        self._changes.show(seen is None or seen.attrs["type"] != "none")
        self._edit.show(text=is_string, write=is_string)
        why = _READ_ONLY if self.conn.read_only else ""
        if not why and len(written(name)) > VALUE:
            why = "its name is too long to type; Cache(conn) has the same by methods"
        self._edit.disable(**dict.fromkeys((*_CHANGES, "confirm", "ttl", "text"), why))
        if text is None and not why:
            why = "it is no text that a field can hold: a frame, a carriage return, or too long"
            self._edit.disable(write=why, text=why)
        if text is None or text != before:
            # Else what was typed there stays.
            self._edit["text"] = text or ""

    def _text(self) -> str | None:
        """Return the text that is shown, if it can be edited in a browser's field."""
        if self._seen is None or self._seen.attrs["type"] != "string":
            return None
        value = self._seen["value"].iloc[0]
        if not isinstance(value, str) or len(value) > EDITED or {"\r", "\0"} & set(value):
            return None
        return value

    # -- what is asked in the background

    def _again(self) -> None:
        with self._lock:
            if self._walk.state == "failed":
                self._walk = self._walk.anew()
        self._ticker.start()

    def _tick(self) -> float | None:
        began = time.thread_time()
        if not self._look(self._step):
            with self._lock:
                failed = self.state == "failed"
                if self._walk.state == "reading":
                    # A server that was started again does not know where it was.
                    if failed:
                        self._walk.end("failed")
                    else:
                        self._walk = self._walk.anew()
                self._unmeasured = [] if failed else self._unmeasured
                self._refresh()
            return None if failed else LOOK
        self._refresh()
        with self._lock:
            if self._walk.state == "reading" or self._unmeasured:
                # As long as this kept the interpreter busy, it is left to the cells.
                return time.thread_time() - began
            if self._drawn[2] != self._walk.found.version:
                return max(0, self._draw_from - time.monotonic())
        return max(0, self._look_from - time.monotonic())

    def _last_tick(self) -> bool:
        with self._lock:
            if self._walk.state == "reading":
                self._walk.end("stopped")
            self._unmeasured = []
        self._refresh(now=True)
        self._become("stopped")
        return False

    def _step(self) -> None:
        """Ask the server for the next thing that is wanted."""
        with self._lock:
            wanted, walk, names = self._wanted, self._walk, self._unmeasured
        if wanted is not None:
            self._read(wanted)
            with self._lock:
                if self._wanted is wanted:
                    self._wanted = None
        elif walk.state == "reading":
            self._find(walk)
        elif names:
            self._measure(names)
        began = time.monotonic()
        if began >= self._look_from:
            self._look_again()
            # A large value is not read all the time.
            took = time.monotonic() - began
            self._look_from = time.monotonic() + max(LOOK, 9 * took)

    def _find(self, walk: _Walk) -> None:
        read_at = pd.Timestamp.now("UTC")
        page = next(walk.pages, None)
        with self._lock:
            if walk.state != "reading":
                return
            walk.has_begun = True
            if page is not None:
                walk.found.add(page, read_at)
            if page is None or len(walk.found) > MOST_KEYS:
                walk.end("ready")

    def _measure(self, names: list[str]) -> None:
        read_at = pd.Timestamp.now("UTC")
        chunk = names[:CHUNK]
        rows = described_keys(self.conn, list(map(to_bytes, chunk)), sizes=True)
        with self._lock:
            self._walk.gone += self._walk.found.renew(chunk, rows, read_at)
            del names[:CHUNK]

    def _look_again(self) -> None:
        """See to the keys whose time has run out, to the one that is open, and to the server."""
        with self._lock:
            found, name = self._walk.found, self._name
            due = found.due()[:CHUNK]
            sizes = found.has_sizes()
        if due:
            read_at = pd.Timestamp.now("UTC")
            rows = described_keys(self.conn, list(map(to_bytes, due)), sizes=sizes)
            with self._lock:
                self._walk.gone += found.renew(due, rows, read_at)
        if name is not None and self._seen is not None:
            self._look_at(name, self._seen)
        else:
            # A refusal is an answer.
            with suppress(redis.ResponseError):
                self.conn.client.ping()

    # -- what is shown

    def _refresh(self, *, now: bool = False) -> None:
        with self._lock:
            if self._closed:
                return
            walk, reads = self._walk, self._walk.state == "reading" or bool(self._unmeasured)
            found = "" if len(walk.found) else "nothing was found yet"
            chosen = len(self._chosen)
            self._controls.disable(
                scan="it is reading" if reads else "",
                stop="" if reads else "it is not reading",
                memory="it is reading" if reads else found,
            )
            self._controls.call(memory=f"Memory of {chosen:,}" if chosen else "Memory of all")
            text = self._words(walk)
            if self._counts.value != text:
                self._counts.value = text
            self._draw(walk, now=now)
            if self.last_error is None or self.state not in ("reconnecting", "failed"):
                # The last, so that a state is that of what is shown.
                self._become("reading" if reads else walk.state)

    def _words(self, walk: _Walk) -> str:
        n = len(walk.found)
        keys = f"{n:,} {'key' if n == 1 else 'keys'}"
        if self._unmeasured:
            return f"{keys}; the memory of {len(self._unmeasured):,} is still to be read"
        if walk.state == "reading":
            return f"{keys} so far"
        if not walk.has_begun:
            return ""
        said = [keys]
        if not walk.has_all:
            is_full = walk.state == "ready"
            said.append("there are more: narrow the pattern" if is_full else "there may be more")
        if walk.gone:
            said.append(f"{walk.gone:,} gone since")
        if walk.found.has_sizes():
            sizes = walk.found.frame()["size"]
            said.append(f"{number(sizes.sum())} bytes in {sizes.notna().sum():,} of them")
        return " · ".join(said)

    def _draw(self, walk: _Walk, *, now: bool) -> None:
        began = time.monotonic()
        if not walk.has_begun and walk.state == "reading":
            # What was found before stays until there is something else.
            return
        wanted = (walk, walk.state, walk.found.version)
        if began < self._draw_from and not now and self._drawn[:2] == wanted[:2]:
            return
        is_new = wanted != self._drawn
        if not is_new and (began < self._drawn_at + LOOK or not walk.found.is_counting()):
            return
        frame = walk.found.frame()
        self._table.empty = _empty(walk)
        shown = frame.drop(columns="expires_at")
        if is_new:
            self._table.show(shown)
            if self._chosen:
                self._chosen = self._table.chosen()["key"].tolist()
            self._table.caption = (
                f"Values are cut at {VALUE} characters; a selected key is shown below."
                if len(frame)
                else ""
            )
        else:
            self._table.renew(shown)
        self._drawn, self._drawn_at = wanted, began
        # However long it took, the kernel has nine tenths of its time for others.
        took = time.monotonic() - began
        self._draw_from = time.monotonic() + max(PAUSE, 9 * took)


def _types(*more: str) -> list[tuple[str, str]]:
    return [("", "any"), *((type, type) for type in dict.fromkeys((*_TYPES, *more)) if type)]


def _call(name: str) -> str:
    return f"rnb.preview(conn, {name!r})"


def _empty(walk: _Walk) -> str:
    if walk.state == "reading":
        return "Nothing was found yet."
    if not walk.has_begun:
        return _NOTHING_YET
    if walk.match == "*" and not walk.type:
        return "There is no key in this database."
    kind = f" of type {walk.type!r}" if walk.type else ""
    return f"No key{kind} matches {walk.match!r}: scan for another pattern, or for * to see all."


def _same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Return whether two previews are of the same value."""
    if one.attrs != other.attrs:
        return False
    kind = one.attrs["type"]
    if kind == "stream":
        # Entries never change.
        return one["entry_id"].tolist() == other["entry_id"].tolist()
    if kind in ("hash", "set"):
        # In no order; of a large one, others may come at another time.
        return one.attrs["truncated"] or set(_rows(one)) == set(_rows(other))
    return _rows(one) == _rows(other)


def _rows(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(frame.itertuples(index=False, name=None))
