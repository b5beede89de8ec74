"""Conditions: which entries a filter chooses, by each entry's own values.

A filter is a mapping, ``{"carrier": ["UA", "AA"], "qty": 5}``, whose items must all hold, or an
expression, ``"carrier = 'UA' and dep_delay > 60"``. Text stands in single quotes, a name that is no
identifier in double quotes; a quote inside is doubled.

Each test is true, false or unknown, and an entry is chosen where the whole is true. With a missing
value (absent, null, NaN) every test but ``is null`` is unknown; so is one between kinds that do not
compare, as of text with 5, and so is its ``not``. A field's text counts as a number or a truth
value where JSON writes one so; JSON's own text does not. ``in`` is unknown where it is so for each
value of the list; null in the list takes missing values too.
"""

from redisnb.frames.conditions.deciding import Cell, Condition, chooses, condition_of, mask

__all__ = ["Cell", "Condition", "chooses", "condition_of", "mask"]
