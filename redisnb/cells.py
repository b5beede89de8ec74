"""Which notebook cell is running: what an earlier run of it made is to be replaced."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

__all__: list[str] = []


class Run(NamedTuple):
    """Name a cell and one run of it; both are None where nobody knows."""

    cell: str | None
    run: str | None

    def replaces(self, earlier: Run) -> bool:
        """Say whether this is a later run of the same cell."""
        return self.cell is not None and self.cell == earlier.cell and self.run != earlier.run


def this_run() -> Run:
    """Return the run of a cell that calls this."""
    # Not imported: without a notebook nothing of it is needed.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    request: dict[str, Any] = getattr(shell, "get_parent", dict)()
    # Not every front end names the cell; nbclient does not.
    cell = request.get("metadata", {}).get("cellId")
    return Run(cell, request["header"]["msg_id"]) if cell else Run(None, None)
