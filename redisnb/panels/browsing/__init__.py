"""BrowsePanel: the past of a stream, by time, by filter and entry by entry."""

from redisnb.panels.browsing.panel import BrowsePanel, browse

__all__ = ["BrowsePanel", "browse"]
