"""KeysPanel: find the prefix that takes the memory, look into keys, change them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pandas as pd

from redisnb import cards, frames
from redisnb.durations import Duration
from redisnb.entries import to_bytes
from redisnb.errors import is_transient
from redisnb.keyspace import MOST_KEYS, described_keys, key_pages
from redisnb.panels.finding.changing import ChangedKeys, KeyChanges
from redisnb.panels.finding.drawer import KeyDetails
from redisnb.panels.finding.found import FoundKeys
from redisnb.panels.finding.levels import NO_PREFIX, PrefixLevel, level_of, pattern_of, read_tree
from redisnb.panels.finding.view import KEY_LIST, PREFIXES, KeyspaceView
from redisnb.panels.finding.wording import empty_keys, keys_caption, keys_python, tree_caption
from redisnb.panels.parts import SERVER_ERRORS, Box, Grid, PartsPanel, TakeOut, Task, Trouble
from redisnb.wire import Connection, check_connection

__all__ = ["KeysPanel", "keys"]

#: How many keys that have expired are asked for at once.
_DUE_AT_ONCE = 2_000
#: How often the panel looks, and asks for the open key, in seconds.
_LOOK_EACH, _ASK_EACH = 1.0, 2.0
#: How often new keys are drawn, in seconds, and which part of its time drawing may take.
_DRAW_EACH, _DRAWING_SHARE = 0.3, 9


class KeysPanel(PartsPanel):
    """The keys of a database: by prefix with their memory, one by one, and each in full.

    It begins with the prefixes. Keys can be used as soon as they are found, up to 100,000 of them;
    their TTLs count down without the server, which is asked again about those that have expired.
    The open key is looked at every other second while a page shows it: the panel says if it has
    changed. Nothing is deleted and no expiry is lost before a dry run has said what that means.

    Parameters
    ----------
    conn : Connection
        From `redisnb.connect`; over one that only reads nothing is changed.
    match : str, default "*"
        A pattern, as for `redisnb.keys`.
    sep : str, default ":"
        What separates the parts of a name.
    snapshot : bool, default True
        Whether a saved notebook shows the first rows where no widget runs.

    Examples
    --------
    >>> cache.set("daily", 7)
    >>> panel = rnb.panels.KeysPanel(conn, "report:*")
    >>> panel.show("keys")
    >>> panel.wait()
    True
    >>> panel.frame()["key"].tolist()
    ['report:daily']
    """

    def __init__(
        self, conn: Connection, match: str = "*", *, sep: str = ":", snapshot: bool = True
    ) -> None:
        check_connection(conn, "KeysPanel(conn)")
        if not isinstance(match, str):
            raise TypeError(f"match is a pattern as text, not {type(match).__name__}")
        self._conn, self._sep = conn, sep
        self._view = KeyspaceView(conn.name, match, self._take_out, self._make)
        self._level, self._prefixes = level_of(match, sep), frames.table(frames.TREE, [])
        self._found = FoundKeys(match, "")
        self._looked_at = 0.0
        # Held from what is read until it is drawn: no thread draws keys over those found later.
        self._drawing = threading.RLock()
        # Of how many keys the prefixes are estimated; None for exact numbers.
        self._sample: int | None = MOST_KEYS
        # What the two views were read for.
        self._read_for: dict[str, tuple[str, str]] = {}
        super().__init__(self._view, self._view.trouble, snapshot=snapshot)
        self._connect()
        self.find()

    def __repr__(self) -> str:
        return f"KeysPanel({cards.quoted(self._view.search.match['value'])})"

    def _take_out(self, trouble: Trouble) -> TakeOut:
        return TakeOut("Keys", frame=self.frame, python=self.python, name="keys", trouble=trouble)

    def _make(self, trouble: Trouble) -> tuple[Box, Box]:
        self._changes = KeyChanges(self._conn, self._target, self._changed, trouble)
        self._details = KeyDetails(self._conn, self._changed, on=self._closed)
        return self._changes, self._details

    def _connect(self) -> None:
        view = self._view
        view.search.match.on = view.search.type.on = view.search.find.on = self.find
        view.views.on, view.foot.stop.on = self._turned, self.stop_reading
        view.prefixes.on, view.found.on = self._narrow_to_chosen, self._open_chosen
        view.found.on_select = self._show_target
        view.all_keys.on = self.look_at_all

    # -- for the user

    def frame(self) -> pd.DataFrame:
        """Return what the table shows: prefixes in schema TREE, or keys in schema KEYS."""
        return self._grid.frame().replace({"prefix": {NO_PREFIX: ""}})

    def python(self) -> str:
        """Return the calls that make the same frame."""
        name = None if self._shows_prefixes else self._details.name
        match, type = self._read_for.get(self._shown_view, self._query)
        level = self._level if self._shows_prefixes else None
        return keys_python(self._conn, match, type, level, self._grid, name, self._sample)

    def find(self, match: str | None = None, type: str | None = None) -> None:
        """Look for prefixes or keys in the background; by default for those of the fields.

        `match` and `type` are as for `redisnb.keys`; "" is any type.
        """
        search = self._view.search
        if match is not None:
            search.match.set(value=match)
        if type is not None:
            search.type.set(value=type)
        search.match.set(error="" if search.match["value"].strip() else "* finds all keys")
        if search.match["error"]:
            return
        self._read_for.clear()
        self._sample = MOST_KEYS
        self._show_target()
        self._read()

    def show(self, view: str) -> None:
        """Show the "prefixes", or the "keys"."""
        self._view.views.show(view)
        self._turned()

    def narrow(self, prefix: str) -> None:
        """Look at the keys with a prefix; "" is all."""
        self.find(pattern_of(prefix))

    def look_at_all(self) -> None:
        """Look at all keys for exact numbers, where they are estimates."""
        self._sample = None
        self._read()

    def stop_reading(self) -> None:
        """Look no further; what was found so far stays."""
        self._lane.cancel()
        with self._drawing, self.together():
            if not self._shows_prefixes:
                self._found.end(MOST_KEYS)
                self._draw_keys(is_end=True)
            self._say_state("stopped", "warn")

    def show_key(self, name: str) -> None:
        """Show a key beside the table."""
        self._details.show(name)
        self._watch()

    def search(self, pattern: str) -> None:
        """Find the fields or members of the open key that match a pattern."""
        self._details.elements.search.set(value=pattern)
        self._details.search()

    def load_more(self) -> None:
        """Show more elements of the open key."""
        self._details.load_more()

    def delete(self, *names: str) -> None:
        """Count what deleting keys would delete, and ask; `confirm` does it.

        Without names it is about the selected keys, or else about all that match.
        """
        self._changes.delete(ChangedKeys(names) if names else None)

    def expire(self, ttl: Duration, *names: str) -> None:
        """Count the keys that would expire after a time, and ask, as `delete` does."""
        self._changes.expire(ttl, ChangedKeys(names) if names else None)

    def persist(self, *names: str) -> None:
        """Count the keys whose expiry would be lost, and ask, as `delete` does."""
        self._changes.persist(ChangedKeys(names) if names else None)

    def confirm(self) -> None:
        """Do what was asked about."""
        self._changes.confirm()
        self._details.changes.confirm()

    def write(self, text: str) -> None:
        """Replace the text of the open key, if it is still the one shown."""
        self._details.editor.text.set(value=text)
        self._details.write()

    def wait(self, seconds: float = 10) -> bool:
        """Wait until what was asked for is shown or done; return whether that is so."""
        waits = (super().wait, self._changes.wait, self._details.wait)
        return all(wait(seconds) for wait in waits)

    def stop(self) -> None:
        """End what runs in the background; the panel stays, and its buttons start it again."""
        self._changes.stop()
        self._details.stop()
        super().stop()

    # -- what the user does

    @property
    def _shown_view(self) -> str:
        view: str = self._view.views["value"]
        return view

    @property
    def _shows_prefixes(self) -> bool:
        return self._shown_view == PREFIXES

    @property
    def _grid(self) -> Grid:
        return self._view.prefixes if self._shows_prefixes else self._view.found

    @property
    def _query(self) -> tuple[str, str]:
        search = self._view.search
        return search.match["value"].strip(), search.type["value"]

    def _turned(self) -> None:
        self._show_target()
        if self._read_for.get(self._shown_view) != self._query:
            self._read(follows=False)

    def _narrow_to_chosen(self) -> None:
        row = self._view.prefixes.chosen_row()
        if row.empty:
            return
        if (prefix := row["prefix"].iloc[0]) == NO_PREFIX:
            # No pattern has only the names without a separator.
            self.show(KEY_LIST)
            return
        self.narrow(prefix)

    def _open_chosen(self) -> None:
        if len(row := self._view.found.chosen_row()):
            self.show_key(row["key"].iloc[0])

    def _closed(self) -> None:
        self._view.found.set(chosen=None)

    def _target(self) -> ChangedKeys:
        if not self._shows_prefixes and self._view.found["selected"]:
            return ChangedKeys(self._view.found.selected_rows()["key"].tolist())
        return ChangedKeys(None, *self._query)

    def _show_target(self) -> None:
        target = self._target()
        is_all = target == ChangedKeys(None)
        self._changes.offer(
            target.text, "To change keys, select some, or narrow the pattern." if is_all else ""
        )

    def _changed(self, target: ChangedKeys) -> None:
        """Show what has become of keys that were changed."""
        if target.names is None:
            self._read_for.clear()
            self._read()
            return
        self._renew(list(target.names))
        if self._details.name in target.names:
            self._details.read_again()
        self._read_for.pop(PREFIXES, None)

    # -- reading

    def _read(self, *, follows: bool = True) -> None:
        """Read what the chosen tab shows; where it has no prefix, go on to the keys."""
        match, type = query = self._query
        shown = self._shown_view
        self._say_state("reading")

        def job(task: Task) -> None:
            view = shown
            if view == PREFIXES:
                has_some = self._read_tree(task, level_of(match, self._sep))
                view = PREFIXES if has_some or not follows else KEY_LIST
            if view == KEY_LIST:
                self._read_keys(task, match, type)
            with task.show(), self.together():
                self._read_for[view] = query
                if view != shown:
                    self._view.views.show(view)
                    self._show_target()
                self._say_state("ready", "good")
            self._save(now=True)

        self.work(job)

    def _read_tree(self, task: Task, level: PrefixLevel) -> bool:
        """Read the prefixes of a level; return whether there are any, or no keys either."""

        def tell(seen: int) -> None:
            with task.show():
                self._say_progress(f"looked at {seen:,} keys")

        tree = read_tree(self._conn, level, self._sample, tell)
        with task.show(), self.together():
            self._level, self._prefixes = level, tree
            below = level.below(tree)
            self._view.prefixes.set(empty=level.alone(tree) or empty_keys(level.match, ""))
            self._view.prefixes.show(below.assign(prefix=below["prefix"].replace("", NO_PREFIX)))
            self._view.show_path(level.path(), self.narrow, level.alone(tree))
            text, note = tree_caption(tree, below)
            self._view.foot.caption.set(text=text)
            self._view.all_keys.set(hidden=tree.attrs["sampled"] is None)
            self._view.note.say(note)
        return bool(len(below) or not len(tree))

    def _read_keys(self, task: Task, match: str, type: str) -> None:
        found = FoundKeys(match, type)
        read_at = pd.Timestamp.now("UTC")
        due = 0.0
        for page in key_pages(self._conn, match, type=type or None, sizes=True):
            task.check()
            found.add(page, read_at)
            read_at = pd.Timestamp.now("UTC")
            if len(found) > MOST_KEYS:
                break
            if time.monotonic() >= due and len(page):
                began = time.monotonic()
                with task.show(), self._drawing, self.together():
                    self._found = found
                    self._draw_keys()
                    self._view.foot.stop.set(hidden=False)
                took = time.monotonic() - began
                due = time.monotonic() + max(_DRAW_EACH, _DRAWING_SHARE * took)
        found.has_all = len(found) <= MOST_KEYS
        found.end(MOST_KEYS)
        with task.show(), self._drawing, self.together():
            self._found = found
            self._draw_keys(is_end=True)
        self._watch()

    def _draw_keys(self, *, is_end: bool = False) -> None:
        found, frame = self._found, self._found.frame()
        self._view.found.set(empty=empty_keys(found.match, found.type))
        self._view.found.show(frame)
        self._view.foot.caption.set(text=keys_caption(found, frame, is_end=is_end))
        if is_end:
            level = level_of(found.match, self._sep)
            self._view.show_path(level.path(), self.narrow, "")
            self._view.note.say("")

    def _say_progress(self, text: str) -> None:
        self._view.foot.caption.set(text=text)
        self._view.foot.stop.set(hidden=False)

    def _say_state(self, text: str, tone: str = "") -> None:
        self._view.state.set(text=text, tone=tone)
        self._view.foot.stop.set(hidden=True)

    def _failed(self, error: Exception, job: Callable[[Task], object]) -> None:
        self._say_state("failed", "bad")
        self._grid.set(empty="Nothing could be read.")
        super()._failed(error, job)

    # -- again and again, while a page shows it

    def _watch(self) -> None:
        if not self._repeating.is_busy:
            self.repeat(self._tick)

    def _tick(self, _: Task) -> float | None:
        if not self.root.is_shown or self._lane.is_busy:
            return _LOOK_EACH
        began = time.monotonic()
        try:
            self._look()
        except SERVER_ERRORS as error:
            if not is_transient(error):
                raise
            self._say_state("reconnecting", "warn")
        else:
            if self._view.state["text"] == "reconnecting":
                self._say_state("ready", "good")
        return max(_LOOK_EACH, _DRAWING_SHARE * (time.monotonic() - began))

    def _look(self) -> None:
        if due := self._found.due(_DUE_AT_ONCE):
            self._renew(due)
        elif not self._shows_prefixes and self._found.is_counting():
            with self._drawing:
                self._view.found.show(self._found.frame())
        self._details.tell(self._found.left)
        if time.monotonic() - self._looked_at >= _ASK_EACH:
            self._details.look(self._found.left)
            self._looked_at = time.monotonic()

    def _renew(self, names: list[str]) -> None:
        read_at = pd.Timestamp.now("UTC")
        rows = described_keys(self._conn, [to_bytes(each) for each in names], sizes=True)
        with self._drawing, self.together():
            self._found.renew(names, rows, read_at)
            if not self._shows_prefixes:
                self._draw_keys(is_end=True)


def keys(conn: Connection, match: str = "*", *, sep: str = ":") -> KeysPanel:
    """Return a panel of the keys of a database; `KeysPanel` says how.

    Examples
    --------
    >>> panel = rnb.panels.keys(conn, "report:*")
    >>> panel  # the last line of a cell shows it
    KeysPanel('report:*')
    """
    return KeysPanel(conn, match, sep=sep)
