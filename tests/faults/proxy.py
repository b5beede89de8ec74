"""A loopback port in front of a server that does to replies and links what networks do."""

import asyncio
import contextlib
import socket
import threading
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self

Request = list[bytes]


@dataclass(eq=False)
class Fault:
    """What happens to the next replies to a command."""

    command: bytes
    kind: str
    #: How many replies it still hits; -1 for all.
    left: int = 1
    #: cut: how many bytes get through; delay: for how long it is held, in seconds.
    at: int = 0
    seconds: float = 0
    when: Callable[[Request, bytes], bool] = lambda request, reply: True
    hits: int = 0

    def takes(self, request: Request, reply: bytes) -> bool:
        """Return whether it hits this reply, and count it."""
        name = request[0].upper()
        if not self.left or name != self.command or not self.when(request, reply):
            return False
        self.left -= 1
        self.hits += 1
        return True


class Proxy:
    """Forward to a port of this machine; faults can be set and lifted at any time.

    Attributes
    ----------
    counts : Counter
        How often each command came by.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._faults: list[Fault] = []
        self._links: set[_Link] = set()
        self._silent = False
        self.counts: Counter[str] = Counter()
        self.connections = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._listener: asyncio.Server | None = None
        self.port = 0
        self.accept()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    @property
    def links(self) -> int:
        """How many links there are now."""
        return len(self._links)

    # -- faults to one reply

    def lose(self, command: str, **more: Any) -> Fault:
        """Let the server carry the command out, and cut the link instead of the reply."""
        return self._add(Fault(command.encode(), "lose", **more))

    def cut(self, command: str, at: int, **more: Any) -> Fault:
        """Let only so many bytes of the reply through, then cut the link."""
        return self._add(Fault(command.encode(), "cut", at=at, **more))

    def delay(self, command: str, seconds: float, **more: Any) -> Fault:
        """Hold the reply for a while."""
        return self._add(Fault(command.encode(), "delay", seconds=seconds, **more))

    def drip(self, command: str, **more: Any) -> Fault:
        """Deliver the reply one byte at a time."""
        return self._add(Fault(command.encode(), "drip", **more))

    def _add(self, fault: Fault) -> Fault:
        self._faults.append(fault)
        return fault

    # -- faults to links

    def silence(self, *, new: bool = True) -> None:
        """Let no byte pass on today's links, for ever, nor on new ones until `heal`.

        Both ends take their link for whole; the server does so even when the client has gone.
        """
        self._silent = new
        for link in list(self._links):
            link.silent = True

    def cut_links(self) -> None:
        """Break every link."""
        self._do(self._abort())

    def refuse(self) -> None:
        """Break every link and take no new one."""
        self._do(self._close())

    def accept(self) -> None:
        """Take connections, as at first."""
        self._do(self._listen())

    def heal(self) -> None:
        """Lift every fault; links that fell silent stay so."""
        self._faults.clear()
        self._silent = False
        if self._listener is None:
            self.accept()

    def close(self) -> None:
        """End it with its links and its thread."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- in its own thread

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._listener.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._abort()

    async def _abort(self) -> None:
        tasks = [link.task for link in self._links]
        for link in list(self._links):
            link.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._upstream)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(self, (reader, writer), upstream)
        link.silent = self._silent
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    def fault(self, request: Request, reply: bytes) -> Fault | None:
        """Return what is to happen to a reply, if anything."""
        return next((fault for fault in self._faults if fault.takes(request, reply)), None)


class _Link:
    """One client's connection and its other half, to the server."""

    def __init__(self, proxy: Proxy, client: Any, server: Any) -> None:
        self._proxy = proxy
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._asked: deque[Request] = deque()
        self.silent = False
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        for _, writer in (client, server):
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def abort(self) -> None:
        self._to_client.transport.abort()
        self._to_server.transport.abort()

    async def run(self) -> None:
        """Forward both ways until one end is closed."""
        ways = [asyncio.create_task(way) for way in (self._requests(), self._replies())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            if self.silent:
                await asyncio.wait(ways)
        finally:
            self.abort()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _requests(self) -> None:
        async for message in messages(self._from_client):
            if self.silent:
                continue
            request = arguments(message)
            self._asked.append(request)
            self._proxy.counts[request[0].decode().upper()] += 1
            self._to_server.write(message)
            await self._to_server.drain()

    async def _replies(self) -> None:
        async for message in messages(self._from_server):
            # A push of RESP3 is no reply.
            request = None if message[:1] == b">" else self._asked.popleft()
            fault = None if request is None else self._proxy.fault(request, message)
            if not await self._deliver(message, fault):
                return

    async def _deliver(self, message: bytes, fault: Fault | None) -> bool:
        """Send a reply as the fault wants it; say whether the link lives on."""
        kind = fault.kind if fault else None
        if kind == "lose":
            return False
        if fault and kind == "cut":
            await self._send(message[: fault.at])
            # It must arrive; an abort would throw it away.
            self._to_client.write_eof()
            await asyncio.sleep(0.01)
            return False
        if fault and kind == "delay":
            await asyncio.sleep(fault.seconds)
        for part in [message] if kind != "drip" else map(bytes, zip(message, strict=True)):
            await self._send(part)
            if kind == "drip":
                await asyncio.sleep(0.0005)
        return True

    async def _send(self, data: bytes) -> None:
        if not self.silent:
            self._to_client.write(data)
            await self._to_client.drain()


async def messages(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield each whole message of the protocol, a request or a reply, until the link ends."""
    waiting = b""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            waiting += data
            start = 0
            while (end := message_end(waiting, start)) is not None:
                yield waiting[start:end]
                start = end
            waiting = waiting[start:]


def message_end(data: bytes, start: int) -> int | None:
    """Return where the message that starts at `start` ends, or None where it is not whole."""
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return None
    kind, end = data[start : start + 1], line_end + 2
    if kind in (b"$", b"=", b"!"):
        length = int(data[start + 1 : line_end])
        # -1 is a nil, which has no body.
        end += length + 2 if length >= 0 else 0
        return end if end <= len(data) else None
    if kind in (b"*", b"~", b">", b"%"):
        parts = int(data[start + 1 : line_end]) * (2 if kind == b"%" else 1)
        for _ in range(parts):
            found = message_end(data, end)
            if found is None:
                return None
            end = found
    return end


def arguments(message: bytes) -> Request:
    """Return the words of a request, which is an array of strings."""
    words, at = [], message.find(b"\r\n") + 2
    while at < len(message):
        line_end = message.find(b"\r\n", at)
        length = int(message[at + 1 : line_end])
        words.append(message[line_end + 2 : line_end + 2 + length])
        at = line_end + length + 4
    return words
