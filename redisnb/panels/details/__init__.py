"""EntryDetails: the drawer that shows one entry of a stream in full, beside a table."""

from redisnb.panels.details.drawer import EntryDetails

__all__ = ["EntryDetails"]
