"""The wire: a server, links to it, and what goes over them."""

from redisnb.wire.asking import (
    BATCH,
    Conversation,
    T,
    ask,
    ask_async,
    ask_many,
    ask_many_async,
    ask_packed,
    batches,
    converse,
    converse_async,
    exchange,
    mapping,
    now,
    pack,
    shown,
    transaction,
)
from redisnb.wire.connection import Connection, async_link, check_sends, connect, refusal
from redisnb.wire.paging import FIRST_PAGE, PAGE, PAGE_BYTES, Pages
from redisnb.wire.server import Server

__all__ = [
    "BATCH",
    "FIRST_PAGE",
    "PAGE",
    "PAGE_BYTES",
    "Connection",
    "Conversation",
    "Pages",
    "Server",
    "T",
    "ask",
    "ask_async",
    "ask_many",
    "ask_many_async",
    "ask_packed",
    "async_link",
    "batches",
    "check_sends",
    "connect",
    "converse",
    "converse_async",
    "exchange",
    "mapping",
    "now",
    "pack",
    "refusal",
    "shown",
    "transaction",
]
