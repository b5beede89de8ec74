"""The dashboard: all panels for the streams of a database."""

from redisnb.panels.board.panel import Dashboard, dashboard

__all__ = [
    "Dashboard",
    "dashboard",
]
