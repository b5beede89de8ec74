"""Grid: a frame of any length as a table, arranged and described off the kernel's thread."""

from redisnb.panels.parts.grid.grid import Grid

__all__ = ["Grid"]
