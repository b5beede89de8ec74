"""The keys of a database: listed, read, previewed, and used as a cache."""

from redisnb.keyspace.cache import Cache
from redisnb.keyspace.changing import (
    deletions,
    expirations,
    expire_fields,
    lifetime,
    name_parts,
    persistences,
    replace_text,
)
from redisnb.keyspace.encoding import decode, is_envelope
from redisnb.keyspace.listing import (
    MOST_KEYS,
    described_keys,
    glob,
    key_pages,
    keys,
    matching_names,
)
from redisnb.keyspace.lookups import CachedKeys, DatabaseKeys, names_beginning, unasked
from redisnb.keyspace.prefixes import growing_tree, tree
from redisnb.keyspace.previewing import PAGED_TYPES, preview, value_pages
from redisnb.keyspace.reading import values
from redisnb.keyspace.stream_listing import groups, streams
from redisnb.lookup import attach
from redisnb.wire import Connection

__all__ = [
    "MOST_KEYS",
    "PAGED_TYPES",
    "Cache",
    "decode",
    "deletions",
    "described_keys",
    "expirations",
    "expire_fields",
    "glob",
    "groups",
    "growing_tree",
    "is_envelope",
    "key_pages",
    "keys",
    "lifetime",
    "matching_names",
    "name_parts",
    "names_beginning",
    "persistences",
    "preview",
    "replace_text",
    "streams",
    "tree",
    "unasked",
    "value_pages",
    "values",
]

# Values of keys become frames here, above the wire.
attach(Connection, DatabaseKeys())
attach(Cache, CachedKeys())
