"""Commands that do not fit a call with a reply: each is refused, with what does it instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["blocked_seconds", "check_blocks", "check_transactions", "refuse"]

#: How long a command may block, in seconds.
LONGEST_BLOCK = 60

_PUBSUB = (
    "it turns the link into one that only listens; conn.client.pubsub() listens to channels, and "
    "stream.follow() to a stream, which loses nothing"
)
_REPLICA = "it makes a replica of the link"
_POOLED = (
    "it would change one link of several, for whichever call uses that next; conn.client.client() "
    "has a link of its own"
)
_WATCHING = (
    "lines are sent at once, so there is nothing to decide between; conn.client.transaction() "
    "watches keys"
)
_INSTEAD: dict[bytes, str] = {
    b"MONITOR": "it has no end; redisnb.slowlog(conn) lists slow commands, redisnb.clients(conn) "
    "each client's last one",
    **dict.fromkeys(
        b"SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE".split(), _PUBSUB
    ),
    **dict.fromkeys(b"SYNC PSYNC REPLCONF".split(), _REPLICA),
    b"SELECT": "a connection is to one database; redisnb.connect('redis://host:port/2') is to "
    "another",
    b"AUTH": "redisnb.connect('redis://user:password@host:port/0') connects as a user",
    b"HELLO": "redisnb.connect(..., protocol=3) chooses the protocol",
    b"RESET": _POOLED,
    b"QUIT": "conn.close() closes the connection",
    **dict.fromkeys(b"ASKING READONLY READWRITE".split(), _POOLED),
    **dict.fromkeys(b"WATCH UNWATCH".split(), _WATCHING),
    **dict.fromkeys(
        (b"CLIENT " + each for each in b"CACHING TRACKING NO-EVICT NO-TOUCH CAPA".split()), _POOLED
    ),
    **dict.fromkeys((b"CLIENT IMPORT-SOURCE", b"CLIENT MAINT_NOTIFICATIONS"), _POOLED),
    b"CLIENT REPLY": "a call waits for its reply",
    b"CLIENT SETINFO": _POOLED,
    b"CLIENT SETNAME": "redisnb.connect(..., client_name='...') names every link",
    b"SCRIPT DEBUG": "it debugs one link; redis-cli --ldb does",
    # What is pasted from a terminal.
    b"REDIS-CLI": "leave it and its options out; redisnb.connect(...) has the address",
    b"HELP": "redis-cli answers it; COMMAND DOCS XRANGE describes a command",
}
_FOR_EVER = {
    b"XREAD": "stream.follow() yields entries as they arrive",
    b"XREADGROUP": "group.read(block='5s') waits for entries, and Consumer(group, handler) hands "
    "each to a function",
}
_WAIT_LESS = f"a time of up to {LONGEST_BLOCK} s ends by itself"


def refuse(words: Sequence[bytes], place: str = "") -> None:
    """Refuse a command that has no end, or would leave its link changed for the next call.

    Raises
    ------
    ValueError
        It says what does it instead.
    """
    name = words[0].upper()
    if not name:
        raise ValueError(f"{place}the command's name is empty")
    if b"://" in name:
        # It may contain a password, which the server's error would show.
        raise ValueError(
            f"{place}a command begins with its name, not with a URL; redisnb.connect(URL) makes a "
            "connection, and %redis --conn URL uses one"
        )
    full = b" ".join((name, *words[1:2])).upper()
    if name.endswith(b">"):
        raise ValueError(f"{place}a command begins with its name; leave redis-cli's prompt out")
    known = next((each for each in (name, full) if each in _INSTEAD), None)
    if known is not None:
        raise ValueError(f"{place}{known.decode()} is not sent: {_INSTEAD[known]}")


def check_transactions(commands: Sequence[tuple[Sequence[bytes], str]]) -> None:
    """Refuse a transaction that does not begin and end in these commands, each with its place.

    Raises
    ------
    ValueError
        The link would stay within it, for whichever call uses it next.
    """
    begun: str | None = None
    for words, place in commands:
        name = words[0].upper()
        if name == b"MULTI":
            begun = place
        elif name in (b"EXEC", b"DISCARD"):
            if begun is None:
                raise ValueError(f"{place}{name.decode()} is not sent: no MULTI stands before it")
            begun = None
    if begun is not None:
        raise ValueError(
            f"{begun}MULTI is not sent without its EXEC: a transaction is whole within one text of "
            "several lines"
        )


def blocked_seconds(words: Sequence[bytes], place: str = "") -> float:
    """Return how long a command may block; 0 if it does not, or the server will refuse it.

    Raises
    ------
    ValueError
        If that is for ever, or longer than a minute.
    """
    name = words[0].upper()
    find = _TIMES.get(name) or _TIMES.get(b" ".join((name, *words[1:2])).upper())
    if find is None:
        return 0
    try:
        seconds = find(words)
    except (IndexError, ValueError):
        return 0
    if seconds is None or not seconds >= 0:
        return 0
    if not 0 < seconds <= LONGEST_BLOCK:
        how_long = f"for {seconds:g} s" if seconds else "for ever"
        way = _FOR_EVER.get(name, _WAIT_LESS)
        raise ValueError(f"{place}{name.decode()} is not sent, for it blocks {how_long}; {way}")
    return seconds


def check_blocks(seconds: Sequence[float]) -> None:
    """Refuse commands that block for too long one after the other.

    Raises
    ------
    ValueError
        It has the sum of the times.
    """
    if sum(seconds) > LONGEST_BLOCK:
        raise ValueError(
            f"these commands block for {sum(seconds):g} s one after the other; {_WAIT_LESS}"
        )


def _last(words: Sequence[bytes]) -> float:
    return float(words[-1])


def _first(words: Sequence[bytes]) -> float:
    return float(words[1])


def _last_ms(words: Sequence[bytes]) -> float:
    return float(words[-1]) / 1000


def _block_option(words: Sequence[bytes]) -> float | None:
    """Return the time behind BLOCK, which stands before STREAMS and is no name of a consumer."""
    at = 1
    while words[at].upper() != b"STREAMS":
        if words[at].upper() == b"BLOCK":
            return float(words[at + 1]) / 1000
        at += {b"GROUP": 3, b"NOACK": 1}.get(words[at].upper(), 2)
    return None


_TIMES: dict[bytes, Callable[[Sequence[bytes]], float | None]] = {
    **dict.fromkeys(
        b"BLPOP BRPOP BRPOPLPUSH BLMOVE BZPOPMIN BZPOPMAX".split(),
        _last,
    ),
    b"BLMPOP": _first,
    b"BZMPOP": _first,
    b"WAIT": _last_ms,
    b"WAITAOF": _last_ms,
    b"XREAD": _block_option,
    b"XREADGROUP": _block_option,
    b"DEBUG SLEEP": _last,
}
