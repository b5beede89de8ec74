"""Panels: streams with buttons, for notebooks. They need the extra ``lab``.

>>> dashboard(conn)
>>> browse(stream)
>>> PublishPanel(stream)
>>> ConsumePanel(group)
>>> KeysPanel(conn, "user:*")
"""

import warnings

from redisnb.errors import MissingExtraError, RedisnbWarning

# A panel shows the warnings of a call itself; its thread never prints them. `catch_warnings` would
# affect other threads.
warnings.filterwarnings("ignore", category=RedisnbWarning, module=r"redisnb\.panels\.")

try:
    from redisnb.panels.board import Dashboard, dashboard
    from redisnb.panels.browsing import BrowsePanel, browse
    from redisnb.panels.consume import ConsumePanel
    from redisnb.panels.finding import KeyspacePanel
    from redisnb.panels.following import LivePanel, live
    from redisnb.panels.groups import GroupsPanel
    from redisnb.panels.inspecting import ServerPanel, server
    from redisnb.panels.keys import KeysPanel
    from redisnb.panels.publish import PublishPanel
    from redisnb.panels.replay import ReplayPanel
    from redisnb.panels.widgets import Table
except ModuleNotFoundError as error:
    if error.name not in ("anywidget", "ipywidgets"):
        raise
    raise MissingExtraError(error.name, "lab") from error

__all__ = [
    "BrowsePanel",
    "ConsumePanel",
    "Dashboard",
    "GroupsPanel",
    "KeysPanel",
    "KeyspacePanel",
    "LivePanel",
    "PublishPanel",
    "ReplayPanel",
    "ServerPanel",
    "Table",
    "browse",
    "dashboard",
    "live",
    "server",
]


def __dir__() -> list[str]:
    return __all__
