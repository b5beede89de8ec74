"""Looking into an unknown server: what it is, what is in it and what is wrong."""

from redisnb.explore.doctoring import doctor
from redisnb.explore.server import clients, info, slowlog
from redisnb.explore.watching import watch

__all__ = ["clients", "doctor", "info", "slowlog", "watch"]
