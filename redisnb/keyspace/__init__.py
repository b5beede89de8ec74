"""The keys of a database: listed, read, previewed, and used as a cache."""

from redisnb.keyspace.cache import Cache
from redisnb.keyspace.encoding import decode, is_envelope
from redisnb.keyspace.listing import MOST_KEYS, described_keys, glob, key_pages, keys
from redisnb.keyspace.lookups import CachedKeys, DatabaseKeys, names_beginning, unasked
from redisnb.keyspace.prefixes import tree
from redisnb.keyspace.previewing import preview
from redisnb.keyspace.reading import values
from redisnb.keyspace.stream_listing import groups, streams
from redisnb.lookup import attach
from redisnb.wire import Connection

__all__ = [
    "MOST_KEYS",
    "Cache",
    "decode",
    "described_keys",
    "glob",
    "groups",
    "is_envelope",
    "key_pages",
    "keys",
    "names_beginning",
    "preview",
    "streams",
    "tree",
    "unasked",
    "values",
]

# Values of keys become frames here, above the wire.
attach(Connection, DatabaseKeys())
attach(Cache, CachedKeys())
