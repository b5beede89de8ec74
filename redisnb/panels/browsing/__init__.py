"""BrowsePanel: the past of a stream, by time, by filter and entry by entry."""

# Not in a package `browse`: that is the function.
from redisnb.panels.browsing.panel import BrowsePanel, browse

__all__ = ["BrowsePanel", "browse"]
