"""The bare wire: a stream's pages received into a buffer and dropped."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hiredis
from redis.connection import parse_url

PAGE = 1_000


class BareWire:
    """The pages of one stream, over a private server's socket."""

    def __init__(self, url: str, key: str) -> None:
        self._options = parse_url(url)
        # hiredis takes a buffer, and its types say otherwise.
        self._buffer: Any = memoryview(bytearray(1 << 20))
        self._requests: list[bytes] = []
        self._sizes: list[int] = []
        self.entries = 0
        with self._open() as link:
            self._learn(link, key)

    @contextmanager
    def _open(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(self._options["path"])
            link.sendall(_packed("AUTH", self._options["password"]))
            assert link.recv(64) == b"+OK\r\n"
            yield link

    def _learn(self, link: socket.socket, key: str) -> None:
        """Read all pages once for their requests and sizes, which end a page without parsing it."""
        start: str | bytes = "-"
        while True:
            request = _packed("XRANGE", key, start, "+", "COUNT", PAGE)
            page, size = self._ask(link, request)
            if not page:
                return
            self._requests.append(request)
            self._sizes.append(size)
            self.entries += len(page)
            start = b"(" + page[-1][0]

    def _ask(self, link: socket.socket, request: bytes) -> tuple[list[list[bytes]], int]:
        reader = hiredis.Reader()
        link.sendall(request)
        size = 0
        # False: the reply has not come to its end.
        while (reply := reader.gets()) is False:
            received = self._receive(link)
            reader.feed(self._buffer, 0, received)
            size += received
        if isinstance(reply, Exception):
            raise reply
        return reply, size

    def _receive(self, link: socket.socket) -> int:
        received = link.recv_into(self._buffer)
        assert received, "the server closed the connection"
        return received

    def drop(self) -> int:
        """Receive all pages, each asked for while the one before it comes; return their bytes."""
        total = end = 0
        with self._open() as link:
            link.sendall(self._requests[0])
            for size, following in zip(self._sizes, [*self._requests[1:], b""], strict=True):
                link.sendall(following)
                end += size
                while total < end:
                    total += self._receive(link)
        return total

    @property
    def size(self) -> int:
        """The bytes of all pages."""
        return sum(self._sizes)


def _packed(*command: Any) -> bytes:
    # To hiredis's types, a command is one word.
    packed: bytes = hiredis.pack_command(command)
    return packed
