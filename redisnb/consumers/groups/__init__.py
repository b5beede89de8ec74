"""Consumer groups as a source: no entry is lost, stuck, or taken from a consumer at work."""

from redisnb.consumers.groups.deleting import warn_of_others
from redisnb.consumers.groups.source import GroupSource

__all__ = ["GroupSource", "warn_of_others"]
