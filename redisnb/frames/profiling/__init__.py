"""Profiles: what entries have in each column, counted in bounded memory, entry by entry."""

from redisnb.frames.profiling.profile import Profile
from redisnb.frames.profiling.switches import Switch

__all__ = ["Profile", "Switch"]
