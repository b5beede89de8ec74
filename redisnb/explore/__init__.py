"""Looking into an unknown server: what it is, what is in it and what is wrong."""

from redisnb.explore.commands import command
from redisnb.explore.doctoring import doctor
from redisnb.explore.extension import load_magics, unload_magics
from redisnb.explore.server import clients, info, slowlog
from redisnb.explore.watching import watch

__all__ = [
    "clients",
    "command",
    "doctor",
    "info",
    "load_magics",
    "slowlog",
    "unload_magics",
    "watch",
]
