"""Grid: a frame of any length as a table, or rows as they come; a page gets those in view."""

from redisnb.panels.parts.grid.grid import Grid
from redisnb.panels.parts.grid.live import LiveGrid, LiveRows

__all__ = ["Grid", "LiveGrid", "LiveRows"]
