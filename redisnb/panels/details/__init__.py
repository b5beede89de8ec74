"""EntryDetails: the drawer that shows one entry of a stream in full, beside a table."""

from redisnb.panels.details.decoding import (
    FieldContent,
    decoded_field,
    hex_text,
    plain_text,
    plain_tree,
)
from redisnb.panels.details.drawer import EntryDetails

__all__ = [
    "EntryDetails",
    "FieldContent",
    "decoded_field",
    "hex_text",
    "plain_text",
    "plain_tree",
]
