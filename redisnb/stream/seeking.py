"""Where exactly a change lies of which a sample shows only the entries around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from redis.exceptions import ResponseError

from redisnb.entries import Fields, id_number, number_id
from redisnb.errors import explain
from redisnb.frames import Switch
from redisnb.wire import Connection, ask_many

__all__ = ["seek_switches"]

#: A range of fewer entries is read whole, and how many are read in the middle of a larger one.
_WHOLE, _PROBE = 100, 20
#: In how many ranges of the sample changes are sought.
MOST_SOUGHT = 32
# Each round halves a range of at most 128 bits, or moves its end.
_MOST_ROUNDS = 200


def seek_switches(
    conn: Connection,
    key: str,
    switches: Sequence[Switch],
    kinds_of: Callable[[Fields], dict[str, str]],
) -> None:
    """Read entries between the ends of each change until it is found, and settle it.

    Columns that change in the same range share what is read of it. A change is exact once all
    entries between its ends have been read; if there are several in a range, one of them is found.

    Notes
    -----
    XRANGE, twice for each range and round, in about as many rounds as the length of the range in
    milliseconds has bits.
    """
    ranges = list(dict.fromkeys((each.low, each.high) for each in switches))[:MOST_SOUGHT]
    sought = [each for each in switches if (each.low, each.high) in set(ranges)]
    # Up to where entries may lie that were not read: the range behind it has been looked at.
    tops = [id_number(each.high) for each in sought]
    is_open = [True] * len(sought)
    for _ in range(_MOST_ROUNDS):
        groups: dict[tuple[bytes, bytes, int], list[int]] = {}
        for i, switch in enumerate(sought):
            if is_open[i]:
                groups.setdefault((switch.low, switch.high, tops[i]), []).append(i)
        middles = [(id_number(low) + top + 1) // 2 for low, _, top in groups]
        commands = [
            ("XRANGE", key, first, f"({high.decode()}", "COUNT", count)
            for (low, high, _), middle in zip(groups, middles, strict=True)
            for first, count in ((f"({low.decode()}", _WHOLE), (number_id(middle), _PROBE))
        ]
        if not commands:
            break
        replies = list(ask_many(conn, commands))
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise explain(reply, key)
        for near, far, middle, places in zip(
            replies[::2], replies[1::2], middles, groups.values(), strict=True
        ):
            read = [(id, kinds_of(fields)) for id, fields in (*near, *far)]
            for i in places:
                switch, high = sought[i], sought[i].high
                for id, kinds in read:
                    switch.narrow(id, kinds)
                if len(near) < _WHOLE:
                    switch.settle()
                    is_open[i] = False
                elif switch.high != high:
                    tops[i] = id_number(switch.high)
                elif id_number(switch.low) < middle:
                    tops[i] = middle
                    # Nothing in between tells on which side of the change it is.
                    is_open[i] = middle > id_number(switch.low) + 1
