"""The commands that a read-only connection sends: a list of those that only read.

The server's `readonly` flag is not enough: KEYS, which blocks all other clients, and PFCOUNT, which
stores its count, have it; TIME, CLIENT LIST and INFO do not. Nor does the first word tell: CONFIG
GET reads, and CONFIG SET does not. https://redis.io/docs/latest/commands/command/ has the flags.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import hiredis

from redisnb.errors import ReadOnlyError

__all__ = ["check", "check_packed", "only_reads"]

# SORT, GEORADIUS and BITFIELD can write and have read-only variants. EVAL_RO is left out: its
# script may call commands that are not on the list, such as KEYS.
_READING_COMMANDS = frozenset(
    b"""
    DBSIZE DUMP EXISTS EXPIRETIME PEXPIRETIME PTTL RANDOMKEY SCAN SORT_RO TTL TYPE
    GET GETRANGE LCS MGET STRLEN SUBSTR
    BITCOUNT BITFIELD_RO BITPOS GETBIT
    HEXISTS HEXPIRETIME HGET HGETALL HKEYS HLEN HMGET HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSTRLEN
    HTTL HVALS
    LINDEX LLEN LPOS LRANGE
    SCARD SDIFF SINTER SINTERCARD SISMEMBER SMEMBERS SMISMEMBER SRANDMEMBER SSCAN SUNION
    ZCARD ZCOUNT ZDIFF ZINTER ZINTERCARD ZLEXCOUNT ZMSCORE ZRANDMEMBER ZRANGE ZRANGEBYLEX
    ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION
    GEODIST GEOHASH GEOPOS GEORADIUSBYMEMBER_RO GEORADIUS_RO GEOSEARCH
    XLEN XPENDING XRANGE XREAD XREVRANGE
    DISCARD EXEC MULTI UNWATCH WATCH
    PSUBSCRIBE PUNSUBSCRIBE SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE UNSUBSCRIBE
    AUTH ECHO HELLO INFO LASTSAVE PING ROLE SELECT TIME
    VCARD VDIM VEMB VGETATTR VINFO VISMEMBER VLINKS VRANDMEMBER VRANGE VSIM
    JSON.ARRINDEX JSON.ARRLEN JSON.GET JSON.MGET JSON.OBJKEYS JSON.OBJLEN JSON.RESP JSON.STRLEN
    JSON.TYPE
    FT._LIST FT.AGGREGATE FT.DICTDUMP FT.EXPLAIN FT.EXPLAINCLI FT.HYBRID FT.INFO FT.PROFILE
    FT.SEARCH FT.SPELLCHECK FT.SUGGET FT.SUGLEN FT.SYNDUMP FT.TAGVALS
    TS.GET TS.INFO TS.MGET TS.MRANGE TS.MREVRANGE TS.QUERYINDEX TS.RANGE TS.REVRANGE
    BF.CARD BF.EXISTS BF.INFO BF.MEXISTS BF.SCANDUMP
    CF.COUNT CF.EXISTS CF.INFO CF.MEXISTS CF.SCANDUMP
    CMS.INFO CMS.QUERY TOPK.COUNT TOPK.INFO TOPK.LIST TOPK.QUERY
    TDIGEST.BYRANK TDIGEST.BYREVRANK TDIGEST.CDF TDIGEST.INFO TDIGEST.MAX TDIGEST.MIN
    TDIGEST.QUANTILE TDIGEST.RANK TDIGEST.REVRANK TDIGEST.TRIMMED_MEAN
    GRAPH.EXPLAIN GRAPH.LIST GRAPH.RO_QUERY
    """.split()
)
# For these the second word decides; COMMAND may have none.
_SUBCOMMANDS = {
    b"ACL": frozenset(b"WHOAMI".split()),
    # MAINT_NOTIFICATIONS: redis-py sends it when it connects.
    b"CLIENT": frozenset(b"GETNAME ID INFO LIST MAINT_NOTIFICATIONS SETINFO SETNAME".split()),
    b"COMMAND": frozenset([b"", *b"COUNT DOCS GETKEYS GETKEYSANDFLAGS INFO LIST".split()]),
    b"CONFIG": frozenset(b"GET".split()),
    b"FUNCTION": frozenset(b"LIST STATS".split()),
    b"LATENCY": frozenset(b"DOCTOR GRAPH HISTOGRAM HISTORY LATEST".split()),
    b"MEMORY": frozenset(b"STATS USAGE".split()),
    b"OBJECT": frozenset(b"ENCODING FREQ IDLETIME REFCOUNT".split()),
    b"PUBSUB": frozenset(b"CHANNELS NUMPAT NUMSUB SHARDCHANNELS SHARDNUMSUB".split()),
    b"SCRIPT": frozenset(b"EXISTS".split()),
    b"SLOWLOG": frozenset(b"GET LEN".split()),
    b"XINFO": frozenset(b"CONSUMERS GROUPS STREAM".split()),
}


def only_reads(command: Sequence[bytes]) -> bool:
    """Return whether a command is on the list."""
    name = command[0].upper()
    if name not in _SUBCOMMANDS:
        return name in _READING_COMMANDS
    return (command[1].upper() if len(command) > 1 else b"") in _SUBCOMMANDS[name]


def check(command: Sequence[bytes]) -> None:
    """Refuse a command that is not on the list.

    Raises
    ------
    ReadOnlyError
        If it is not; the message contains no argument.
    """
    if only_reads(command):
        return
    named = command[: 2 if command[0].upper() in _SUBCOMMANDS else 1]
    text = b" ".join(named).upper().decode(errors="backslashreplace")
    raise ReadOnlyError(
        f"{text} was not sent, since this connection is read-only; "
        "connect(..., read_only=False) makes one that sends it",
        command=text,
    )


def check_packed(chunks: Iterable[Any]) -> list[bytes]:
    """Return packed commands joined, or refuse all of them if one is not on the list.

    Raises
    ------
    ReadOnlyError
        If one is not, or they are not whole commands as the protocol packs them: a server might
        read anything else differently.
    """
    packed = chunks if isinstance(chunks, bytes) else b"".join(chunks)
    commands = []
    reader = hiredis.Reader()
    reader.feed(packed)
    try:
        while (command := reader.gets()) is not False:
            commands.append(command)
        # The reader accepts replies, which have more forms than commands.
        whole = all(commands) and b"".join(map(hiredis.pack_command, map(tuple, commands)))
    except (hiredis.HiredisError, TypeError):
        whole = False
    if whole != packed:
        raise ReadOnlyError(
            "nothing was sent, since this connection is read-only and sends only whole commands, "
            "packed as redis-py packs them",
            command=None,
        )
    for command in commands:
        check(command)
    return [packed]
