"""Unsettled: nothing is forgotten before the server has been told."""

import asyncio

import pytest

from redisnb import wire
from redisnb.consumers.settlement import Unsettled


def test_each_part_is_told_once_and_again_where_that_failed(monkeypatch):
    monkeypatch.setattr(wire, "BATCH", 2)
    unsettled = Unsettled(["s", "t"])
    unsettled.note([("s", b"%d-0" % i, None) for i in range(1, 6)])
    unsettled.note([("t", b"1-0", None)])
    calls = []

    async def settle(key, ids):
        calls.append((key, list(ids)))
        if len(calls) == 2:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(unsettled.settle(settle))
    assert unsettled == {"s": [b"3-0", b"4-0", b"5-0"], "t": [b"1-0"]}
    asyncio.run(unsettled.settle(settle))
    assert calls == [
        ("s", [b"1-0", b"2-0"]),
        ("s", [b"3-0", b"4-0"]),
        ("s", [b"3-0", b"4-0"]),
        ("s", [b"5-0"]),
        ("t", [b"1-0"]),
    ]
    assert unsettled == {"s": [], "t": []}
