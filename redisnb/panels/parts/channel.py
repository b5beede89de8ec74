"""Channel: what passes between the parts of a panel and the pages that show them.

The tree of parts goes to a page once, as the state of the widget. What changes later goes as
numbered patches, ``{"n": 7, "patch": {"p3": {"text": "reading"}}}``. A page says now and then what
it has, ``{"have": 6}``, and is told the newest number; messages come in order, so that a page which
then has less has lost some, says so, and gets the whole tree. What a user does comes as an act with
the values that changed; other pages get those as a patch too.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from redisnb.panels.parts.audience import Audience
from redisnb.panels.parts.part import PLACING, Act, Part

__all__ = ["Channel"]

#: The acts that change nothing: a page that repeats one may not have got what it asked for.
_ASKING = frozenset({"page"})


class Channel:
    """The parts of a panel and the messages about them.

    Parameters
    ----------
    root : Part
        The part that contains the others.
    send : callable
        Sends a message to all pages; messages are sent in order.
    fail : callable
        Called with the part on which the user acted, and the error of its handler.
    """

    def __init__(
        self,
        root: Part,
        send: Callable[[dict[str, Any]], object],
        fail: Callable[[Part, Exception], object],
    ) -> None:
        # Guards the props and the order of patches; never held while a handler works.
        self.lock = threading.RLock()
        self.root = root
        self._transmit, self._fail = send, fail
        # A part that a panel has let go of is no longer there; one that it keeps may come back.
        self._parts: weakref.WeakValueDictionary[str, Part] = weakref.WeakValueDictionary()
        self._n = self._made = 0
        #: Whether the tree has gone to a page.
        self.is_sent = False
        # What a thread changed inside `together`, and sends at the end.
        self._held = threading.local()
        #: The pages that show the parts.
        self.audience = Audience()
        # By page, the number of its last act.
        self._acts: dict[str, int] = {}
        # What is called once a page shows the parts again.
        self._returning: list[Act] = []
        with PLACING:
            self._adopt(root, None)

    # -- what changes

    def change(self, part: Part, props: Mapping[str, Any]) -> None:
        """Change props of a part, and send those that differ."""
        with self.lock:
            before = part.props
            changed = [name for name, value in props.items() if before[name] != value]
            before |= props
            self._mark(part, changed)

    def refill(self, part: Part) -> None:
        """Send what is now inside of a part."""
        with PLACING, self.lock:
            self._adopt(part, part.parent)
            self._mark(part, ["children"])

    def send(self, message: dict[str, Any]) -> None:
        """Send a message about a part, such as rows that a page asked for."""
        with self.lock:
            self._transmit(message)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Send what this thread changes inside as one patch."""
        if getattr(self._held, "names", None) is not None:
            yield
            return
        self._held.names = {}
        try:
            yield
        finally:
            names, self._held.names = self._held.names, None
            with self.lock:
                self._patch(names)

    def state(self) -> dict[str, Any]:
        """Return the present tree, its number, and what parts of a kind have in common.

        Of each part the tree has the props that differ from those of the first part of its kind.
        """
        with self.lock:
            self.is_sent = True
            kinds: dict[str, dict[str, Any]] = {}
            root = _without(_subtree(self.root), kinds)
            return {"n": self._n, "kinds": kinds, "root": root}

    def on_return(self, act: Act) -> None:
        """Have something called once a page shows the parts again."""
        with self.lock:
            self._returning.append(act)

    def _adopt(self, part: Part, parent: Part | None) -> None:
        part.parent = parent
        before = part.channel
        # A panel has a channel as soon as it shows anything, and no page of its own if it becomes a
        # part of another.
        is_free = before is None or (isinstance(before, Channel) and not before.is_sent)
        if before is not self and not is_free:
            raise ValueError(f"{part!r} is a part of another panel")
        if before is not self:
            self._made += 1
            part.id, part.channel = f"p{self._made}", self
            self._parts[part.id] = part
        for each in part.children:
            self._adopt(each, part)

    def _mark(self, part: Part, names: list[str]) -> None:
        held = getattr(self._held, "names", None)
        if held is None:
            self._patch({part: dict.fromkeys(names)})
        else:
            held.setdefault(part, {}).update(dict.fromkeys(names))

    def _patch(self, names: Mapping[Part, Mapping[str, None]], **more: str) -> None:
        # The present values: another thread may have changed and sent newer ones meanwhile.
        patch = {
            part.id: {
                name: [_subtree(each) for each in part.children]
                if name == "children"
                else part.props[name]
                for name in changed
            }
            for part, changed in names.items()
            if changed
        }
        if patch:
            self._n += 1
            self._transmit({"n": self._n, "patch": patch, **more})

    # -- what the user does

    def hear(self, message: Mapping[str, Any]) -> None:
        """React to a message of a page."""
        view = str(message["view"])
        with self.lock:
            if message.get("leaves"):
                self.audience.forget(view)
                self._acts.pop(view, None)
                return
            self.audience.note(view)
            returning, self._returning = self._returning, []
        for act in returning:
            act()
        with self.lock:
            if "have" in message:
                # Unless the page says so, what it does not have is on its way.
                is_lost = message.get("lost") and message["have"] != self._n
                self._transmit({"all": self.state()} if is_lost else {"beat": view, "n": self._n})
                return
            # A page repeats an act until it is told that it is done.
            k = int(message["k"])
            is_first = k > self._acts.get(view, 0)
            if is_first:
                self._acts[view] = k
                self._take(message["values"], view)
            part = self._parts.get(message["id"])
        try:
            if part is None or part["disabled"]:
                return
            if is_first or message["act"] in _ASKING:
                self._act(part, message)
        finally:
            self.send({"done": k, "view": view})

    def _act(self, part: Part, message: Mapping[str, Any]) -> None:
        try:
            with self.together():
                part.heard(message["act"], message)
        except Exception as error:  # noqa: BLE001 - no front end shows what a callback raises
            self._fail(part, error)

    def _take(self, values: Mapping[str, Any], view: str) -> None:
        taken: list[Part] = []
        refused: list[Part] = []
        for id, value in values.items():
            part = self._parts.get(id)
            if part is not None and part.has_value and part.props["value"] != value:
                part.take(value)
                (taken if part.props["value"] == value else refused).append(part)
        # The page that has the values does not take them again: its user goes on typing.
        self._patch({part: {"value": None} for part in taken}, by=view)
        self._patch({part: {"value": None} for part in refused})


def _subtree(part: Part) -> dict[str, Any]:
    children = [_subtree(each) for each in part.children]
    return {"id": part.id, "kind": part.kind, "props": dict(part.props), "children": children}


def _without(tree: dict[str, Any], kinds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    props = tree["props"]
    common = kinds.setdefault(tree["kind"], props)
    missing = object()
    tree["props"] = {n: value for n, value in props.items() if common.get(n, missing) != value}
    tree["children"] = [_without(each, kinds) for each in tree["children"]]
    return tree
