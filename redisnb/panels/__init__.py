"""Panels: streams, groups and keys with buttons, for notebooks. They need the extra ``lab``.

>>> panel = rnb.panels.dashboard(conn)  # all of them, as tabs
>>> panel = rnb.panels.browse(orders)  # the past of a stream
>>> panel = rnb.panels.live(orders)  # entries as they arrive
>>> panel = rnb.panels.groups(orders)  # which group is stuck, and what frees it
>>> panel = rnb.panels.publish(orders)  # write an event, or many
>>> panel = rnb.panels.replay(orders, rnb.Stream(conn, "test"))
>>> panel = rnb.panels.keys(conn, "user:*")  # which keys there are, and what is in them
>>> panel = rnb.panels.server(conn)  # what the server does, and what is wrong with it

Panels use the public calls of redisnb: each button has a method of the same name. They read in the
background and keep working while a cell runs; ``panel.wait()`` waits for what was asked for. A
panel keeps up to 10,000 entries of what it reads, with values cut at 200 characters, and shows an
entry in full when it is opened. It ends on ``close()``, on `redisnb.stop_all`, and when its cell
is run again.

Tab moves between controls, F6 to the next list, row of tabs, table or foot; the arrow keys move
within these, Space selects, Ctrl+C copies, Ctrl+Enter publishes. In marimo a name belongs to its
cell, so there one writes ``entries = panel.frame()`` instead of ``panel.to_variable("entries")``.
"""

import warnings

from redisnb.errors import MissingExtraError, RedisnbWarning

# A panel shows the warnings of a call itself; its thread never prints them. `catch_warnings` would
# affect other threads.
warnings.filterwarnings("ignore", category=RedisnbWarning, module=r"redisnb\.panels\.")

try:
    from redisnb.panels.board import Dashboard, dashboard
    from redisnb.panels.browsing import BrowsePanel, browse
    from redisnb.panels.consumer_groups import GroupsPanel, groups
    from redisnb.panels.finding import KeysPanel, keys
    from redisnb.panels.following import LivePanel, live
    from redisnb.panels.inspecting import ServerPanel, server
    from redisnb.panels.publishing import PublishPanel, publish
    from redisnb.panels.replaying import ReplayPanel, replay
except ModuleNotFoundError as error:
    if error.name not in ("anywidget", "ipywidgets"):
        raise
    raise MissingExtraError(error.name, "lab") from error

__all__ = [
    "BrowsePanel",
    "Dashboard",
    "GroupsPanel",
    "KeysPanel",
    "LivePanel",
    "PublishPanel",
    "ReplayPanel",
    "ServerPanel",
    "browse",
    "dashboard",
    "groups",
    "keys",
    "live",
    "publish",
    "replay",
    "server",
]


def __dir__() -> list[str]:
    return __all__
