"""Values by key, and names that Tab completes."""

from redisnb.keyspace.lookups.completing import names_beginning, unasked
from redisnb.keyspace.lookups.items import CachedKeys, DatabaseKeys

__all__ = ["CachedKeys", "DatabaseKeys", "names_beginning", "unasked"]
