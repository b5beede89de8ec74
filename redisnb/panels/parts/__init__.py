"""The parts of panels: plain objects, drawn together by one widget."""

from redisnb.panels.parts.code import PythonCode
from redisnb.panels.parts.completing import filter_terms
from redisnb.panels.parts.controls import (
    Action,
    Choices,
    Confirmation,
    Editor,
    Input,
    ListBox,
    ListItem,
    Menu,
    Slider,
    Toggle,
    Views,
)
from redisnb.panels.parts.grid import Grid, LiveGrid, LiveRows
from redisnb.panels.parts.lane import Lane, Task, TaskCancelled
from redisnb.panels.parts.panel import PartsPanel
from redisnb.panels.parts.part import Act, Box, Label, Message, Part, Strip
from redisnb.panels.parts.pictures import Chart, Histogram, JsonTree
from redisnb.panels.parts.takeout import TakeOut
from redisnb.panels.parts.trouble import (
    READ_ONLY,
    SERVER_ERRORS,
    USER_ERRORS,
    Trouble,
    error_text,
)

__all__ = [
    "READ_ONLY",
    "SERVER_ERRORS",
    "USER_ERRORS",
    "Act",
    "Action",
    "Box",
    "Chart",
    "Choices",
    "Confirmation",
    "Editor",
    "Grid",
    "Histogram",
    "Input",
    "JsonTree",
    "Label",
    "Lane",
    "ListBox",
    "ListItem",
    "LiveGrid",
    "LiveRows",
    "Menu",
    "Message",
    "Part",
    "PartsPanel",
    "PythonCode",
    "Slider",
    "Strip",
    "TakeOut",
    "Task",
    "TaskCancelled",
    "Toggle",
    "Trouble",
    "Views",
    "error_text",
    "filter_terms",
]
