"""ServerPanel: what a server does now, its clients, its slow commands, and what is wrong."""

from redisnb.panels.inspecting.panel import ServerPanel, server

__all__ = ["ServerPanel", "server"]
