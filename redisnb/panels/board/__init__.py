"""Dashboard: the streams of a database, and the panels of the one that is chosen."""

# Not in a package `dashboard`: that is the function.
from redisnb.panels.board.panel import Dashboard, dashboard

__all__ = ["Dashboard", "dashboard"]
