"""What mends a finding of `ConsumerGroup.why`, told by the call that it names as its remedy."""

from __future__ import annotations

import ast
import re
from typing import Any, NamedTuple

__all__ = ["Mend", "mend_of"]


class Mend(NamedTuple):
    """A button for a finding.

    Attributes
    ----------
    kind : str
        What it does: "claim", "autoclaim", "next", "show", "bury", "ack", "redrive", "trim",
        "remove" or "lag".
    label : str
    arguments : tuple
        What the remedy says of it, such as a consumer and a duration.
    writes : bool
    """

    kind: str
    label: str
    arguments: tuple[Any, ...] = ()
    writes: bool = True


#: By the form of the remedy: what mends it. What is in parentheses are the literals of the remedy.
_FORMS = [
    (r"group\.claim\(group\.pending\(consumer=(.+)\), min_idle=('\w+')\)", "claim", "Claim them"),
    (r"group\.autoclaim\(min_idle=('\w+')\)", "autoclaim", "Claim them"),
    (r"group\.stream\.range\('\(([\d-]+)', limit=10\)", "next", "Show the next"),
    (
        r"group\.pending\(consumer=(.+), min_idle=('\w+'), payload=True\)",
        "show",
        "Show them",
    ),
    (
        r"held = .*; group\.bury\(held\[held\.deliveries >= (\d+)\], min_idle=(\d+)\)",
        "bury",
        "To the dead letters",
    ),
    (r"group\.ack\(group\.pending\(payload=True\)\.attrs.*", "ack", "Acknowledge them"),
    (r"group\.redrive\('all'\)", "redrive", "Redrive them"),
    (r"group\.stream\.trim\(maxlen=(\d+), only='acked'\)", "trim", "Trim"),
    (r"rows = group\.consumers\(\); .*group\.remove_consumer\)", "remove", "Remove them"),
    (r"group\.lag\(\)", "lag", "Count it"),
]
_READING = ("next", "show", "lag")


def mend_of(remedy: str) -> Mend | None:
    """Return the button for a remedy; None where a panel cannot do it, or shows it anyway."""
    for form, kind, label in _FORMS:
        found = re.fullmatch(form, remedy)
        if found is not None:
            literals = tuple(_literal(each) for each in found.groups())
            return Mend(kind, label, literals, kind not in _READING)
    return None


def _literal(text: str) -> Any:
    # An entry ID stands between quotes of the remedy.
    return text if "-" in text and text[0].isdigit() else ast.literal_eval(text)
