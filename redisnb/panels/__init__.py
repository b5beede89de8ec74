"""Panels: streams with buttons, for notebooks. They want the extra ``lab``.

>>> PublishPanel(stream)
>>> ConsumePanel(group)
"""

from redisnb.errors import MissingExtraError

try:
    from redisnb.panels.consume import ConsumePanel
    from redisnb.panels.publish import PublishPanel
except ModuleNotFoundError as error:
    if error.name not in ("anywidget", "ipywidgets"):
        raise
    raise MissingExtraError(error.name, "lab") from error

__all__ = ["ConsumePanel", "PublishPanel"]
