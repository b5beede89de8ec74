"""KeyspacePanel: which keys a database has, what they take, and what is in each."""

# Not in a package `keys`: that is the function of redisnb.
from redisnb.panels.finding.panel import KeyspacePanel

__all__ = ["KeyspacePanel"]
