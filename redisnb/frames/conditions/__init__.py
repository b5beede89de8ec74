"""Conditions: the rules by which a filter chooses entries, each by its own values.

A filter is a mapping, ``{"carrier": ["UA", "AA"], "qty": 5}``, whose items must all hold, or an
expression, ``"carrier = 'UA' and dep_delay > 60"``. Text is in single quotes, a name that is no
identifier in double quotes; a quote inside is doubled.

Each test is true, false or unknown, and an entry is chosen where the whole is true. With a missing
value (absent, null, NaN) every test but ``is null`` is unknown; so is a test between kinds that do
not compare, such as text and 5, and so is its ``not``. A field's text counts as a number or a truth
value if JSON would write it so; a text of JSON does not. ``in`` is unknown if it is unknown for
each value of the list; null in the list matches missing values too.
"""

from redisnb.frames.conditions.deciding import Cell, Condition, chooses, condition_of, mask

__all__ = ["Cell", "Condition", "chooses", "condition_of", "mask"]
