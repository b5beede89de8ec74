"""Processes that a test starts, talks to and kills."""

import multiprocessing
from collections.abc import Callable
from typing import Any, Self

from tests.deadlines import deadline
from tests.faults import consume
from tests.faults.consume import Orders

# Each is forked from a process that has imported everything: that takes a second by itself.
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["pytest", "tests.faults.consume", "tests.faults.mutations"])


class Process:
    """A process that runs a function, and the link that the function gets as its last argument."""

    def __init__(self, function: Callable[..., None], *arguments: Any) -> None:
        self._link, theirs = _processes.Pipe()
        self._process = _processes.Process(target=function, args=(*arguments, theirs), daemon=True)
        self._process.start()
        # Then the link ends with the process.
        theirs.close()

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process.pid is not None
        return self._process.pid

    def says(self, seconds: float = 10) -> Any:
        """Return the next thing that it says."""
        assert self._link.poll(deadline(seconds)), "it says nothing"
        try:
            return self._link.recv()
        except EOFError:
            raise AssertionError("the process has ended") from None

    def ask(self, what: str) -> Any:
        """Ask it something, and return the answer."""
        self._link.send(what)
        return self.says()

    def is_dead(self) -> bool:
        """Return whether the process has ended."""
        return not self._process.is_alive()

    def dies(self, seconds: float = 10) -> None:
        """Wait until it has ended."""
        self._process.join(deadline(seconds))
        assert self.is_dead(), "it lives"

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.join()

    def close(self) -> None:
        """End it, whatever its state."""
        self.kill()
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Child(Process):
    """A consumer in a process of its own, until it is killed or told to stop."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(consume.main, orders)

    def started(self) -> Self:
        """Wait until its consumer runs."""
        assert self.says() == "started"
        return self

    def state(self) -> dict[str, Any]:
        """Ask for its state, error and stats."""
        state: dict[str, Any] = self.ask("state")
        return state

    def stop(self) -> bool:
        """Stop the consumer and say whether it had ended; the process goes on."""
        ended: bool = self.ask("stop")
        return ended
