"""Which rows of a frame are wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

__all__ = ["Where", "mask"]

#: A value (or list of values) for each of some columns, or a function from a frame to a mask.
Where: TypeAlias = Mapping[str, Any] | Callable[[pd.DataFrame], Any]


def mask(frame: pd.DataFrame, where: Where) -> Any:
    """Return which rows of `frame` `where` wants, as a boolean array.

    A mapping wants equal values, or one of several values; a column that the frame lacks
    matches nothing. A function may give NA, for a row that it does not want.
    """
    if callable(where):
        wanted: Any = pd.array(where(frame), dtype="boolean").fillna(False).to_numpy(dtype=bool)
        if len(wanted) != len(frame):
            raise ValueError(f"where gave {len(wanted)} truth values for {len(frame)} rows")
        return wanted
    found = np.ones(len(frame), dtype=bool)
    for name, wanted in where.items():
        if name not in frame.columns:
            return np.zeros(len(frame), dtype=bool)
        among = list(wanted) if pd.api.types.is_list_like(wanted) else [wanted]
        found &= frame[name].isin(among).to_numpy(dtype=bool)
    return found
