"""Where one test happens: a server of its own with scenes and processes, all gone at the end."""

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from tests.deadlines import until
from tests.faults.children import Child
from tests.faults.consume import Orders
from tests.faults.scene import Scene
from tests.faults.servers import FaultServer


class Place:
    """A healthy, empty server, and what a test sets up on it.

    At the end it is checked that no thread of redisnb and no connection is left.
    """

    def __init__(self, executable: Path, *options: str) -> None:
        self.executable, self._stack = executable, ExitStack()
        self.server = self._stack.enter_context(FaultServer(executable, *options))
        # Where no disk makes a handler wait.
        self._directory = self.server.directory / "ledgers"
        self._directory.mkdir()
        self._scenes: list[Scene] = []
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            self.server.revive()
            made: list[Child | Scene] = [*self._children, *self._scenes]
            for each in made:
                each.close()
            until(lambda: not self.threads(), 5, "every thread has ended")
            until(lambda: not self.server.links(), 5, "every link is closed")

    def scene(self, *, group: bool = True, **options: Any) -> Scene:
        """Make a stream, with a group unless told otherwise."""
        scene = Scene(self.server, self._directory, **options)
        self._scenes.append(scene)
        if group:
            scene.create()
        return scene

    def another(self, *options: str) -> "Place":
        """Make a place like this one with options for its server."""
        return self._stack.enter_context(Place(self.executable, *options))

    def child(self, scene: Scene, name: str, **orders: Any) -> Child:
        """Start a consumer of a scene's group in a process of its own."""
        given: dict[str, Any] = {"url": scene.proxy.url, "batch": scene.batch} | orders
        ledger = str(scene.ledger.path)
        child = Child(
            Orders(key=scene.key, group=scene.group_name, consumer=name, ledger=ledger, **given)
        )
        self._children.append(child)
        return child

    def threads(self) -> list[threading.Thread]:
        """List the threads that run for this place's scenes."""
        keys = [scene.key for scene in self._scenes]
        # They are named by what they read.
        return [
            thread
            for thread in threading.enumerate()
            if thread.name.startswith("redisnb") and any(key in thread.name for key in keys)
        ]
