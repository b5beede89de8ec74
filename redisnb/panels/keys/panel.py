"""KeysPanel: find keys, see their values, and change or delete one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pandas as pd
import redis

from redisnb.durations import Duration
from redisnb.entries import to_bytes
from redisnb.errors import RedisnbError, is_transient
from redisnb.keyspace import MOST_KEYS, Cache, described_keys, key_pages, preview
from redisnb.panels.keys.key_list import KeyList, typed_name
from redisnb.panels.keys.value import Value
from redisnb.panels.parts import error_text
from redisnb.panels.widgets import (
    CHECK_INTERVAL,
    READ_ONLY,
    REDRAW_INTERVAL,
    USER_ERRORS,
    VALUE,
    Button,
    Choice,
    Column,
    Controls,
    Field,
    Panel,
    Table,
    Text,
    count_text,
    shorten,
)
from redisnb.wire import Connection, check_connection

__all__ = ["KeysPanel"]

#: How much of a key's name is shown above its value, in characters.
NAME_LENGTH = 1_000
#: How many keys are read again at once.
KEYS_PER_LOOK = 2_000
#: The longest text that can be edited in a field, in characters.
MOST_EDITED = 100_000

_KEY_TYPES = ("string", "hash", "list", "set", "zset", "stream")
_NO_SCAN_YET = "Nothing yet: press Scan to look for keys."
_GONE = "does not exist any more"
_CHANGES = ("delete", "expire", "persist", "write")


class _KeyScan:
    """One scan, and the keys that it has found so far."""

    def __init__(self, conn: Connection, match: str, type: str, state: str) -> None:
        self._conn, self.match, self.type, self.state = conn, match, type, state
        self.pages = key_pages(conn, match, type=type or None)
        self.keys = KeyList()
        self.has_begun = self.has_all = False
        self.gone = 0

    def restarted(self) -> _KeyScan:
        """Return the same scan, started over."""
        return _KeyScan(self._conn, self.match, self.type, "reading")

    def end(self, state: str) -> None:
        """End the scan: "ready" if it is complete, else stopped or failed."""
        self.has_all = state == "ready" and len(self.keys) <= MOST_KEYS
        self.state = state
        self.keys.end(MOST_KEYS)


class KeysPanel(Panel):
    """The keys that match a pattern and a type, and the value of one.

    Nothing is read before Scan. Keys can be used as soon as they are found, up to 100,000 of them;
    their TTLs count down without the server, which is asked again about those that have expired.
    The selected key is shown, and checked once a second: if it changes, expires or is deleted, the
    panel says so. Changing a key requires typing its name.

    Parameters
    ----------
    conn : Connection
        From `redisnb.connect`. A read-only one changes nothing.
    match : str, default "*"
        The initial pattern, as for `redisnb.keys`.
    snapshot : bool, default True
        Whether a saved notebook shows the first 20 keys where no widget runs.

    Attributes
    ----------
    last_error : BaseException or None
        Why the last action failed; None if it did not.

    Examples
    --------
    >>> KeysPanel(conn, "user:*")
    """

    def __init__(self, conn: Connection, match: str = "*", *, snapshot: bool = True) -> None:
        check_connection(conn, "KeysPanel(conn)")
        if not isinstance(match, str):
            raise TypeError(f"match is a pattern as text, not {type(match).__name__}")
        self.conn = conn
        self._scan = _KeyScan(conn, match, "", "ready")
        self._unmeasured: list[str] = []
        # The open key, its preview (None: it has none), and when it expires.
        self._name: str | None = None
        self._preview: pd.DataFrame | None = None
        self._expires_at: Any = None
        self._requested_key: str | None = None
        # The drawn scan, its state and its version.
        self._drawn_version: tuple[_KeyScan | None, str, int] = (None, "", -1)
        self._drawn_at = self._draw_from = self._look_from = 0.0
        self._selection: list[str] = []
        self._controls = Controls(
            Field("match", "Pattern", hint="*", width="16em", tip="user:*, h?llo, [ab]*"),
            Choice("type", "Type", _types()),
            Button("scan", "Scan", look="primary", tip="Look for keys (Ctrl+Enter)"),
            Button("stop", "Stop", tip="Stop; the keys found so far stay"),
            Button("memory", "Memory", tip="MEMORY USAGE of the selected keys, else of all"),
            on_act=self._act,
            submit="scan",
            match=match,
        )
        self._counts = Text("rnb-note")
        self._table = Table(
            label="Keys",
            key="key",
            empty=_NO_SCAN_YET,
            on_select=self._on_select,
            on_open=lambda key: self._on_open(self._table.rows([key])),
        )
        self._reading = Controls(
            Button("again", "Read again", tip="Read the key once more"),
            Button("close", "Close", tip="Stop checking this key"),
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
            Button("write", "Save the text", tip="SET, if the value is still the one shown"),
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
        return f"KeysPanel({self._scan.match!r})"

    def frame(self) -> pd.DataFrame:
        """Return the keys found so far, in schema KEYS, with current TTLs.

        Sorted by name once the scan has ended; ``attrs["truncated"]``: there may be more.
        """
        with self._lock:
            frame = self._scan.keys.frame()
            frame.attrs["truncated"] = not self._scan.has_all
            return frame

    def python(self) -> str:
        """Return the call that does the same without the panel."""
        with self._lock:
            scan = self._scan
            kind = f", type={scan.type!r}" if scan.type else ""
            sizes = ", sizes=True" if scan.keys.has_sizes() else ""
            only = ", read_only=True" if self.conn.read_only else ""
            lines = ["import redisnb as rnb", "", f"conn = rnb.connect({self.conn.url!r}{only})"]
            lines.append(f"rnb.keys(conn, {scan.match!r}{kind}{sizes})")
            if self._name is not None:
                lines.append(_call(self._name))
            return "\n".join(lines)

    # -- what the buttons do

    def scan(self, match: str | None = None, type: str | None = None) -> None:
        """Start looking for keys in the background; earlier results are dropped.

        Parameters
        ----------
        match, type : str, optional
            As for `redisnb.keys`; "" is any type. By default the values of the panel's fields.
        """
        self._attempt(self._begin, match, type)

    def stop(self) -> None:
        """Stop the scan; the keys found so far stay."""
        with self._lock:
            self._unmeasured = []
            if self._scan.state == "reading":
                self._scan.end("stopped")
                self._clear()
        self._refresh(now=True)

    def memory(self, keys: Iterable[str] | None = None) -> None:
        """Read the memory usage of some keys, or of all found ones, in the background."""
        with self._lock:
            self._unmeasured = self._scan.keys.names() if keys is None else list(keys)
        self._refresh()
        self._ticker.start()

    def preview(self, key: str) -> pd.DataFrame | None:
        """Show the value of a key, and return it as `redisnb.preview` does.

        None if that failed; the panel says why.
        """
        frame: pd.DataFrame | None = self._attempt(self._read, key)
        self._ticker.start()
        return frame

    def delete(self, key: str, *, confirm: str) -> bool:
        """Delete a key; return whether it existed.

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
        """Let a key expire `ttl` from now; return whether it exists; confirm as in `delete`.

        Notes
        -----
        PEXPIRE.
        """
        cache = Cache(self.conn)
        return self._do(key, confirm, lambda: cache.expire(key, ttl), "has a new expiry", _GONE)

    def persist(self, key: str, *, confirm: str) -> bool:
        """Remove a key's expiry; return whether it had one; confirm as in `delete`.

        Notes
        -----
        PERSIST.
        """
        cache, failure = Cache(self.conn), "has no expiry, or does not exist any more"
        return self._do(key, confirm, lambda: cache.persist(key), "never expires", failure)

    def write(self, key: str, text: str, *, confirm: str) -> bool:
        """Replace the text of the displayed string; return whether that was done.

        The TTL stays. A string that has changed since it was read is left unchanged.

        Parameters
        ----------
        key : str
            The displayed key, see `preview`.
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
            self.memory(self._selection or None)
        elif name == "again":
            with self._lock:
                self._requested_key = self._name
            self._ticker.start()
        elif name == "close":
            self._close_key()
        elif name in ("scan", "stop"):
            getattr(self, name)()

    def _change(self, name: str) -> None:
        """Carry out the action of a button below a key, if the key's name was typed."""
        with self._lock:
            key = self._name
        if name not in _CHANGES or key is None:
            return
        text = str(self._edit["confirm"]).strip()
        is_right = text in (key, typed_name(key))
        problem = "" if is_right else f"type {shorten(typed_name(key))} here"
        self._edit.flag(confirm=problem, ttl="")
        if not is_right:
            return
        if name == "expire":
            ttl = str(self._edit["ttl"]).strip()
            self.expire(key, float(ttl) if ttl.isdigit() else ttl, confirm=text)
            if isinstance(self.last_error, ValueError):
                self._edit.flag(ttl="write 500ms, 10min or a number of seconds")
        elif name == "write":
            self.write(key, str(self._edit["text"]), confirm=text)
        else:
            getattr(self, name)(key, confirm=text)

    def _do(
        self,
        key: str,
        confirm: str,
        change: Callable[[], bool],
        success: str,
        failure: str,
    ) -> bool:
        """Change a key, show the outcome, and read the key again."""

        def attempt() -> bool:
            if confirm not in (key, typed_name(key)):
                raise ValueError(
                    f"nothing was done: confirm={confirm!r} is not the name of the key, {key!r}"
                )
            self._answer.value = ""
            is_done = change()
            self._answer.value = f"{shorten(typed_name(key))} {success if is_done else failure}"
            self._edit["confirm"] = ""
            # A key deleted here does not count as gone.
            self._scan.keys.renew([key], self._row(key), pd.Timestamp.now("UTC"))
            if key == self._name:
                self._read(key)
            self._refresh(now=True)
            return is_done

        return bool(self._attempt(attempt))

    def _put(self, key: str, text: str) -> bool:
        shown = self._text() if key == self._name else None
        if shown is None:
            raise ValueError(
                f"{key!r} is not shown as a text; call preview({key!r}) first, so that the panel "
                "knows what it replaces"
            )

        def replace(pipe: Any) -> None:
            if pipe.get(to_bytes(key)) != to_bytes(shown):
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
        problem = "" if match else "write a pattern; * finds all keys"
        self._controls.flag(match=problem)
        if problem:
            raise ValueError(f"match='' finds nothing; {problem}")
        self._controls["match"] = match
        self._controls.offer("type", _types(type))
        self._controls["type"] = type
        self._scan = _KeyScan(self.conn, match, type, "reading")
        self._unmeasured = []
        self._answer.value = ""
        self._refresh()
        self._ticker.start()

    # -- one key

    def _on_select(self) -> None:
        rows = self._table.chosen()
        self._selection = rows["key"].tolist()
        if len(rows) == 1:
            self._on_open(rows)
        self._refresh()

    def _on_open(self, rows: pd.DataFrame) -> None:
        if len(rows):
            with self._lock:
                self._requested_key = rows["key"].iloc[0]
            # Reading it may take a while.
            self._ticker.start()

    def _close_key(self) -> None:
        with self._lock:
            self._name = self._preview = self._requested_key = None
            self._value.show(False)
            self._changes.show(False)
            self._table.select([])
            self._selection = []

    def _ask(self, name: str) -> tuple[pd.DataFrame | None, pd.DataFrame, str]:
        """Return the preview of a key, its row of KEYS, and why there is no preview."""
        frame, problem = None, ""
        try:
            frame = preview(self.conn, name)
        except USER_ERRORS as error:
            if is_transient(error) or isinstance(error, TypeError):
                raise
            problem = error_text(error)
        return frame, self._row(name), problem

    def _row(self, name: str) -> pd.DataFrame:
        sizes = self._scan.keys.has_sizes()
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
                self._edit.flag(confirm="", ttl="")
                self._answer.value = ""
            self._name, self._preview = name, frame
            self._value.put(shorten(typed_name(name), NAME_LENGTH), frame, _call(name))
            self._value.say(problem)
            self._note_row(name, row, read_at)
            self._offer_changes(name, before)
            self._refresh(now=True)
        return frame

    def _note_row(self, name: str, row: pd.DataFrame, read_at: pd.Timestamp) -> None:
        keys = self._scan.keys
        self._scan.gone += keys.renew([name], row, read_at)
        self._expires_at = row["expires_at"].iloc[0] if len(row) else pd.NaT
        self._value.tell(keys.left(row["expires_at"]).iloc[0] if len(row) else pd.NaT)

    def _look_at(self, name: str, shown: pd.DataFrame) -> None:
        """Check whether the open key still has the value that is shown."""
        read_at = pd.Timestamp.now("UTC")
        frame, row, problem = self._ask(name)
        with self._lock:
            if self._preview is not shown:
                return
            note = problem
            if frame is not None and frame.attrs["type"] == "none" != shown.attrs["type"]:
                over = pd.notna(self._expires_at) and self._scan.keys.has_passed(self._expires_at)
                why = "has expired" if over else "was deleted or renamed"
                note = f"It {why}; this is its last known value."
                self._scan.gone += self._scan.keys.renew([name], row, read_at)
                self._changes.show(False)
            else:
                self._note_row(name, row, read_at)
                if frame is not None and not _is_same_value(shown, frame):
                    note = "It has changed; Read again shows the new value."
            self._value.say(note)

    def _offer_changes(self, name: str, before: str | None) -> None:
        frame, text = self._preview, self._text()
        is_string = frame is not None and frame.attrs["type"] == "string"
        self._changes.show(frame is None or frame.attrs["type"] != "none")
        self._edit.show(text=is_string, write=is_string)
        why = READ_ONLY if self.conn.read_only else ""
        if not why and len(typed_name(name)) > VALUE:
            why = "its name is too long to type; use the methods of Cache(conn)"
        self._edit.disable(**dict.fromkeys((*_CHANGES, "confirm", "ttl", "text"), why))
        if text is None and not why:
            why = "a field cannot hold it: a frame, a text with a carriage return, or too long"
            self._edit.disable(write=why, text=why)
        if text is None or text != before:
            # Otherwise what was typed there stays.
            self._edit["text"] = text or ""

    def _text(self) -> str | None:
        """Return the displayed text, if it can be edited in a browser's field."""
        if self._preview is None or self._preview.attrs["type"] != "string":
            return None
        value = self._preview["value"].iloc[0]
        if not isinstance(value, str) or len(value) > MOST_EDITED or {"\r", "\0"} & set(value):
            return None
        return value

    # -- reads in the background

    def _again(self) -> None:
        with self._lock:
            if self._scan.state == "failed":
                self._scan = self._scan.restarted()
        self._ticker.start()

    def _tick(self) -> float | None:
        start_time = time.thread_time()
        if not self._look(self._step):
            with self._lock:
                failed = self.state == "failed"
                if self._scan.state == "reading":
                    # A restarted server does not know the scan's cursor.
                    if failed:
                        self._scan.end("failed")
                    else:
                        self._scan = self._scan.restarted()
                self._unmeasured = [] if failed else self._unmeasured
                self._refresh()
            return None if failed else CHECK_INTERVAL
        self._refresh()
        with self._lock:
            if self._scan.state == "reading" or self._unmeasured:
                # Leave the interpreter to the cells for as long as this step used it.
                return time.thread_time() - start_time
            if self._drawn_version[2] != self._scan.keys.version:
                return max(0, self._draw_from - time.monotonic())
        return max(0, self._look_from - time.monotonic())

    def _last_tick(self) -> bool:
        with self._lock:
            if self._scan.state == "reading":
                self._scan.end("stopped")
            self._unmeasured = []
        self._refresh(now=True)
        self._become("stopped")
        return False

    def _step(self) -> None:
        """Send the next request to the server."""
        with self._lock:
            requested, scan, names = self._requested_key, self._scan, self._unmeasured
        if requested is not None:
            self._read(requested)
            with self._lock:
                if self._requested_key is requested:
                    self._requested_key = None
        elif scan.state == "reading":
            self._find(scan)
        elif names:
            self._measure(names)
        start_time = time.monotonic()
        if start_time >= self._look_from:
            self._look_again()
            # A large value is read less often.
            took = time.monotonic() - start_time
            self._look_from = time.monotonic() + max(CHECK_INTERVAL, 9 * took)

    def _find(self, scan: _KeyScan) -> None:
        read_at = pd.Timestamp.now("UTC")
        page = next(scan.pages, None)
        with self._lock:
            if scan.state != "reading":
                return
            scan.has_begun = True
            if page is not None:
                scan.keys.add(page, read_at)
            if page is None or len(scan.keys) > MOST_KEYS:
                scan.end("ready")

    def _measure(self, names: list[str]) -> None:
        read_at = pd.Timestamp.now("UTC")
        chunk = names[:KEYS_PER_LOOK]
        rows = described_keys(self.conn, list(map(to_bytes, chunk)), sizes=True)
        with self._lock:
            self._scan.gone += self._scan.keys.renew(chunk, rows, read_at)
            del names[:KEYS_PER_LOOK]

    def _look_again(self) -> None:
        """Read expired keys and the open key again, or else check that the server answers."""
        with self._lock:
            keys, name = self._scan.keys, self._name
            due = keys.due()[:KEYS_PER_LOOK]
            sizes = keys.has_sizes()
        if due:
            read_at = pd.Timestamp.now("UTC")
            rows = described_keys(self.conn, list(map(to_bytes, due)), sizes=sizes)
            with self._lock:
                self._scan.gone += keys.renew(due, rows, read_at)
        if name is not None and self._preview is not None:
            self._look_at(name, self._preview)
        else:
            # An error reply is an answer too.
            with suppress(redis.ResponseError):
                self.conn.client.ping()

    # -- display

    def _refresh(self, *, now: bool = False) -> None:
        with self._lock:
            if self._closed:
                return
            scan, reads = self._scan, self._scan.state == "reading" or bool(self._unmeasured)
            no_keys = "" if len(scan.keys) else "no keys were found yet"
            selected = len(self._selection)
            self._controls.disable(
                scan="it is reading" if reads else "",
                stop="" if reads else "it is not reading",
                memory="it is reading" if reads else no_keys,
            )
            self._controls.label(memory=f"Memory of {selected:,}" if selected else "Memory of all")
            text = self._words(scan)
            if self._counts.value != text:
                self._counts.value = text
            self._draw(scan, now=now)
            if self.last_error is None or self.state not in ("reconnecting", "failed"):
                # Last, so that the state belongs to what is shown.
                self._become("reading" if reads else scan.state)

    def _words(self, scan: _KeyScan) -> str:
        n = len(scan.keys)
        keys = f"{n:,} {'key' if n == 1 else 'keys'}"
        if self._unmeasured:
            return f"{keys}; memory still to be read for {len(self._unmeasured):,}"
        if scan.state == "reading":
            return f"{keys} so far"
        if not scan.has_begun:
            return ""
        parts = [keys]
        if not scan.has_all:
            is_full = scan.state == "ready"
            parts.append("there are more: narrow the pattern" if is_full else "there may be more")
        if scan.gone:
            parts.append(f"{scan.gone:,} gone since")
        if scan.keys.has_sizes():
            sizes = scan.keys.frame()["size"]
            parts.append(f"{count_text(sizes.sum())} bytes in {sizes.notna().sum():,} of them")
        return " · ".join(parts)

    def _draw(self, scan: _KeyScan, *, now: bool) -> None:
        start_time = time.monotonic()
        if not scan.has_begun and scan.state == "reading":
            # Earlier results stay until there are new ones.
            return
        version = (scan, scan.state, scan.keys.version)
        if start_time < self._draw_from and not now and self._drawn_version[:2] == version[:2]:
            return
        is_new = version != self._drawn_version
        is_recent = start_time < self._drawn_at + CHECK_INTERVAL
        if not is_new and (is_recent or not scan.keys.is_counting()):
            return
        frame = scan.keys.frame()
        self._table.empty = _empty(scan)
        shown = frame.drop(columns="expires_at")
        if is_new:
            self._table.show(shown)
            if self._selection:
                self._selection = self._table.chosen()["key"].tolist()
            self._table.caption = (
                f"Values are cut at {VALUE} characters; a selected key is shown below."
                if len(frame)
                else ""
            )
        else:
            self._table.renew(shown)
        self._drawn_version, self._drawn_at = version, start_time
        # However long it took, this leaves nine tenths of the kernel's time to others.
        took = time.monotonic() - start_time
        self._draw_from = time.monotonic() + max(REDRAW_INTERVAL, 9 * took)


def _types(*more: str) -> list[tuple[str, str]]:
    return [("", "any"), *((type, type) for type in dict.fromkeys((*_KEY_TYPES, *more)) if type)]


def _call(name: str) -> str:
    return f"rnb.preview(conn, {name!r})"


def _empty(scan: _KeyScan) -> str:
    if scan.state == "reading":
        return "No keys were found yet."
    if not scan.has_begun:
        return _NO_SCAN_YET
    if scan.match == "*" and not scan.type:
        return "There is no key in this database."
    kind = f" of type {scan.type!r}" if scan.type else ""
    return f"No key{kind} matches {scan.match!r}: scan for another pattern, or for * to see all."


def _is_same_value(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Return whether two previews show the same value."""
    if one.attrs != other.attrs:
        return False
    kind = one.attrs["type"]
    if kind == "stream":
        # Entries never change.
        return one["entry_id"].tolist() == other["entry_id"].tolist()
    if kind in ("hash", "set"):
        # Unordered; of a large one, each read may return other elements.
        return one.attrs["truncated"] or set(_row_tuples(one)) == set(_row_tuples(other))
    return _row_tuples(one) == _row_tuples(other)


def _row_tuples(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(frame.itertuples(index=False, name=None))
