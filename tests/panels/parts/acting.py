"""What a page does with the parts of a panel, without a browser."""

import itertools
import threading
from typing import Any

from redisnb.panels.parts import Part, PartsPanel

_numbers = itertools.count(1)


class Page:
    """A page that shows a panel: it keeps the tree and applies the patches, as panel.js does."""

    def __init__(self, panel: PartsPanel) -> None:
        self.panel = panel
        self.view = f"page-{next(_numbers)}"
        self.heard: list[dict[str, Any]] = []
        self.k = 0
        # A page is never looked at with half a patch.
        self.whole_patch = threading.RLock()
        # What a thread changes meanwhile comes before the state, or after it as a patch.
        with panel.channel.lock:
            panel.send = self.hear
            assert panel.comm is not None
            self.take(panel.channel.state())

    def take(self, state: dict[str, Any]) -> None:
        self.n, self.nodes = state["n"], {}
        self.root = self.adopt(self.whole(state["root"], state["kinds"]))

    def whole(self, sent: dict[str, Any], kinds: dict[str, Any]) -> dict[str, Any]:
        children = [self.whole(each, kinds) for each in sent["children"]]
        return {**sent, "props": kinds[sent["kind"]] | sent["props"], "children": children}

    def adopt(self, sent: dict[str, Any]) -> dict[str, Any]:
        node = self.nodes.setdefault(sent["id"], {**sent, "props": dict(sent["props"])})
        node["children"] = [self.adopt(each) for each in sent["children"]]
        return node

    def hear(self, message: dict[str, Any], buffers: Any = None) -> None:
        self.heard.append(message)
        if "all" in message:
            self.take(message["all"])
        elif "beat" in message:
            if message["n"] > self.n:
                self.say(have=self.n, lost=True)
        elif "patch" in message:
            assert message["n"] == self.n + 1
            self.n += 1
            if message.get("by") != self.view:
                with self.whole_patch:
                    self.apply(message["patch"])

    def apply(self, patch: dict[str, Any]) -> None:
        for id, changes in patch.items():
            if id in self.nodes:
                props = dict(changes)
                children = props.pop("children", None)
                self.nodes[id]["props"] |= props
                if children is not None:
                    self.nodes[id]["children"] = [self.adopt(each) for each in children]

    def say(self, **message: Any) -> None:
        self.panel.channel.hear({"view": self.view, **message})

    def act(self, part: Part, act: str, values: dict[Part, Any] | None = None, **more: Any) -> None:
        self.k += 1
        given = {each.id: value for each, value in (values or {}).items()}
        self.say(id=part.id, act=act, k=self.k, values=given, **more)

    def press(self, part: Part, values: dict[Part, Any] | None = None) -> None:
        self.act(part, "press", values)

    def shown(self, part: Part) -> dict[str, Any]:
        with self.whole_patch:
            return self.nodes[part.id]["props"]

    def patches(self) -> list[dict[str, Any]]:
        return [each["patch"] for each in self.heard if "patch" in each]

    def copied(self) -> list[str]:
        return [each["copy"] for each in self.heard if "copy" in each]
