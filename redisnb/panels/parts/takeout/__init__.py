"""What a user takes out of a panel: into a variable, a file, or Python code."""

from redisnb.panels.parts.takeout.files import save_frame
from redisnb.panels.parts.takeout.takeout import TakeOut
from redisnb.panels.parts.takeout.variables import set_variable

__all__ = ["TakeOut", "save_frame", "set_variable"]
