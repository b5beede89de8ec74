"""PartsPanel: a panel made of parts, of which the outermost is one widget."""

from __future__ import annotations

import base64
import json
import os
import threading
import uuid
import weakref
import zlib
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import traitlets

from redisnb.background import Run, all_of, this_run
from redisnb.panels.parts.channel import Channel
from redisnb.panels.parts.controls import Editor, Input
from redisnb.panels.parts.lane import Lane, Task
from redisnb.panels.parts.part import Part
from redisnb.panels.parts.saved import Snapshot, publish_output
from redisnb.panels.parts.takeout import save_frame, set_variable
from redisnb.panels.parts.trouble import Trouble

__all__ = ["PartsPanel", "open_parts_panels"]

#: How long a panel goes on that no page shows, in seconds.
_ALONE_FOR = 60.0
_FOLDER = Path(__file__).parent
#: Joined to one module, in this order.
_SCRIPTS = [
    *(
        "drawing.js",
        "completing.js",
        "controls.js",
        "editor.js",
        "lists.js",
        "jsontree.js",
        "axes.js",
    ),
    *("histogram.js", "chart.js", "takeout.js", "grid.js", "panel.js"),
]

#: The panels that are not closed, with the run of the notebook cell that made each.
open_parts_panels: weakref.WeakKeyDictionary[PartsPanel, Run] = weakref.WeakKeyDictionary()


def _module() -> str:
    """Return the front end as one module: each panel sends it, so it is compressed."""
    style = f"const STYLE = {json.dumps((_FOLDER / 'parts.css').read_text())};"
    text = "\n".join([style, *((_FOLDER / each).read_text() for each in _SCRIPTS)])
    return f'const packed = "{_zipped(text)}";\n{(_FOLDER / "unpacking.js").read_text()}'


def _state_of(_: Part, panel: PartsPanel) -> dict[str, str]:
    # A tenth as long: a dashboard has many parts, and each front end keeps all of it as text.
    return {"packed": _zipped(json.dumps(panel.channel.state(), ensure_ascii=False))}


def _zipped(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode(), 9, wbits=31)).decode()


class PartsPanel(anywidget.AnyWidget):
    """A panel: a tree of parts, and methods that do what its buttons do.

    A panel is a part of another if its `root` is: then only the outermost has a widget. The widget
    is made when it is displayed first, or put into a box.

    A panel keeps its parts in a view of its own: names such as ``keys``, ``layout``, ``open``,
    ``send`` and ``comm`` belong to the widget.

    Parameters
    ----------
    root : Part
        What contains all parts.
    trouble : Trouble
        Where among them errors are shown.
    snapshot : bool, default True
        Whether a saved notebook shows the first rows where no widget runs.
    """

    _esm = _module()
    # Written when a page asks, never assigned again: what changes goes as a patch.
    _tree = traitlets.Any().tag(sync=True, to_json=_state_of)
    #: The class of the output that the page hides while the panel is alive.
    _saved = traitlets.Unicode().tag(sync=True)
    #: The widget's `model_id`, which a page does not tell its module.
    _id = traitlets.Unicode().tag(sync=True)

    def __init__(self, root: Part, trouble: Trouble, *, snapshot: bool = True) -> None:
        # Not the widget's: see `_begin`.
        self.root, self.trouble = root, trouble
        self._snapshot = Snapshot(repr(self), lambda: self.frame()) if snapshot else None
        self._channel: Channel | None = None
        self._making = threading.RLock()
        self._has_begun = self._is_closed = False
        # Whether what it repeats has ended because no page showed it.
        self._is_left = False
        self._lane = Lane(repr(self), self._failed)
        self._repeating = Lane(f"{self!r}, again and again", self._failed)
        _owners[root] = self
        run = this_run()
        for panel in all_of(open_parts_panels):
            origin = open_parts_panels.get(panel)
            if origin is None or panel.root.parent is not None:
                # Closed meanwhile, or a part of another, which closes it.
                continue
            # Its output is no longer on the page.
            if run.replaces(origin):
                panel.close()
            elif run.cell is None and origin.cell is None and repr(panel) == repr(self):
                # Nothing tells whether it is still on the page.
                panel.replaced()
        open_parts_panels[self] = run

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    # -- for the user

    @property
    def last_error(self) -> BaseException | None:
        """Why the last action failed; None if it did not."""
        return self.trouble.error

    @property
    def doing(self) -> str:
        """What it does that goes on while it is hidden, in a word; "" if nothing does."""
        return ""

    @property
    def is_used(self) -> bool:
        """Whether it has what the user typed, or has read or sent for them: closed, it is lost."""
        return any(isinstance(each, Input | Editor) and each.is_typed for each in self.root.walk())

    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """Return everything that the panel shows."""

    @abstractmethod
    def python(self) -> str:
        """Return the calls that do the same without the panel."""

    def to_variable(self, name: str) -> None:
        """Set a variable of the notebook to what the panel shows, as "To a variable" does."""
        set_variable(name, self.frame())

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write what the panel shows into a new file, and return its full path.

        Parameters
        ----------
        path : str or path
            Ends with .csv, .json, .jsonl or .parquet, which tells the format.

        Raises
        ------
        FileExistsError
            If there is such a file, which stays as it is.
        """
        return save_frame(self.frame(), path)[0]

    def wait(self, seconds: float = 10) -> bool:
        """Wait until what was asked for is shown, or why it failed; return whether it is."""
        return self._lane.wait(seconds)

    def stop(self) -> None:
        """End what runs in the background; the panel stays, and its buttons start it again."""
        self._is_left = False
        self._lane.stop()
        self._repeating.stop()
        self._save(now=True)

    def close(self) -> None:
        """Remove the panel from the page, and end what it started."""
        if self._is_closed:
            return
        self._is_closed = True
        self.stop()
        open_parts_panels.pop(self, None)
        if self._has_begun:
            super().close()

    # -- for the panels

    @property
    def channel(self) -> Channel:
        """What connects the parts to the pages: the one of the outermost panel."""
        with self._making:
            if isinstance(self.root.channel, Channel):
                return self.root.channel
            if self._channel is None:
                self._channel = Channel(self.root, self._transmit, _report)
            return self._channel

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send all that changes inside as one patch."""
        with self.channel.together():
            yield

    def work(self, job: Callable[[Task], object]) -> None:
        """Do a slow job in the background; a newer one takes its place.

        The job gets a `Task`: it may ask ``task.check()``, and shows what it found inside
        ``with task.show():``. If it fails, the error is shown and the job offered again.
        """
        self.trouble.clear()
        self._lane.do(job)

    def act(self, job: Callable[[], object]) -> None:
        """Do something in the background after what was asked for before: nothing is dropped.

        If it fails, the error is shown and the job offered again.
        """

        def run(_: Task) -> None:
            try:
                job()
            except Exception as error:  # noqa: BLE001 - no front end shows what a thread raises
                self.trouble.report(error, lambda: self.act(job))

        self.trouble.clear()
        self._lane.add(run)

    def repeat(self, tick: Callable[[Task], float | None]) -> None:
        """Do something again and again in the background, while a page shows the panel.

        `tick` returns in how many seconds it is called again, or None for never. It ends a minute
        after the last page was closed, until a page shows the panel again; `stopped` is called
        then, as by `stop_all()`, which ends it for good.
        """
        self._is_left = False

        def job(task: Task) -> None:
            try:
                while (seconds := tick(task)) is not None:
                    task.wait(seconds)
                    self._save()
                    if self.channel.audience.absent_for() > _ALONE_FOR:
                        self._is_left = True
                        self.channel.on_return(go_on)
                        break
            finally:
                self.stopped()
                self._save(now=True)

        def go_on() -> None:
            if self._is_left and not self._is_closed:
                self.repeat(tick)

        # Started by a call, it may be displayed a moment later.
        self.channel.audience.wait_again()
        self._repeating.do(job)

    def stopped(self) -> None:
        """Show that what `repeat` was given has ended; a panel that repeats something does."""

    def replaced(self) -> None:
        """End what runs in the background: another panel does the same now."""
        self.stop()

    def copy(self, text: str, what: str = "") -> None:
        """Put a text on the clipboard of the page on which the user acted; it says what."""
        self.channel.send({"copy": text, "what": what})

    def copy_python(self) -> None:
        """Copy the calls that do the same: what the button "Copy as Python" does."""
        self.copy(self.python(), "the Python code")

    def _failed(self, error: Exception, job: Callable[[Task], object]) -> None:
        self.trouble.report(error, lambda: self.work(job))

    # -- the widget

    def _transmit(self, message: dict[str, Any]) -> None:
        if self._has_begun:
            self.send(message)
            _forget_subshell(self.comm)

    @traitlets.default("comm")
    def _begin(self) -> Any:
        # Making the widget is put off until its comm is asked for: by its display, by a box, or by
        # marimo. So a panel inside of another makes none.
        if self._has_begun or self._is_closed:
            return None
        self._has_begun = True
        saved = self._snapshot.name if self._snapshot else ""
        id = uuid.uuid4().hex
        super().__init__(_tree=self.root, _saved=saved, _id=id, model_id=id)
        self.on_msg(lambda _, message, __: self.channel.hear(message))
        return self._trait_values["comm"]

    def __del__(self) -> None:
        if vars(self).get("_has_begun"):
            super().close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        assert made is not None
        data, metadata = made
        data["text/plain"] = repr(self)
        return data, metadata

    def _ipython_display_(self) -> None:
        if self._is_closed:
            publish_output({"text/plain": f"{self!r} is closed"})
            return
        publish_output(*self._repr_mimebundle_())
        if self._snapshot is not None:
            self._snapshot.display()

    def _save(self, *, now: bool = False) -> None:
        if self._snapshot is not None:
            self._snapshot.refresh(now=now)


def _forget_subshell(comm: Any) -> None:
    """Let what a page sends go where it says, not where a message to it came from.

    ipykernel 7.4 sends it to the subshell of the last message of a comm. Of a message from a thread
    of ours that is any that was of late, perhaps one that is gone: then nothing would ever arrive.
    """
    if getattr(comm, "_reply_subshell_id", None) is not None:
        del comm._reply_subshell_id


#: By its root, the panel.
_owners: weakref.WeakKeyDictionary[Part, PartsPanel] = weakref.WeakKeyDictionary()


def _report(part: Part, error: Exception) -> None:
    """Show an error in the panel that contains a part."""
    at: Part | None = part
    while at is not None and at not in _owners:
        at = at.parent
    if at is not None:
        _owners[at].trouble.report(error)
