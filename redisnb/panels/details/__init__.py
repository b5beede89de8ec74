"""EntryDetails: the drawer that shows one entry of a stream in full, beside a table."""

from redisnb.panels.details.decoding import (
    FieldContent,
    decoded_field,
    hex_text,
    plain_text,
    plain_tree,
)
from redisnb.panels.details.differing import Difference, differences
from redisnb.panels.details.drawer import EditAct, EntryDetails

__all__ = [
    "Difference",
    "EditAct",
    "EntryDetails",
    "FieldContent",
    "decoded_field",
    "differences",
    "hex_text",
    "plain_text",
    "plain_tree",
]
