"""KeysPanel: which keys a database has, what they take, and what is in each."""

from redisnb.panels.finding.panel import KeysPanel, keys

__all__ = ["KeysPanel", "keys"]
