"""Plots of what redisnb returns: frames in, matplotlib Axes out. They need the extra ``lab``.

>>> axes = rnb.plots.rate(orders.range())
>>> axes = rnb.plots.lag(rnb.watch(conn, "orders*", every="50ms", duration="100ms"))
>>> axes = rnb.plots.sizes(rnb.tree(conn))
"""

from typing import TYPE_CHECKING

from redisnb.explore.plots.keys import sizes, ttl
from redisnb.explore.plots.streams import lag, pending, rate
from redisnb.explore.plots.times import gaps, latency

__all__ = ["gaps", "lag", "latency", "pending", "rate", "sizes", "ttl"]


if not TYPE_CHECKING:  # or type checkers would accept any name

    def __getattr__(name: str) -> object:
        from redisnb.errors import nearest

        meant = None if name.startswith("_") else nearest(name, __all__)
        hint = f"there are {', '.join(__all__)}" if meant is None else f"did you mean {meant}?"
        # Without the module, or Python would suggest similar names again.
        raise AttributeError(f"redisnb.plots has no {name!r}; {hint}", name=name, obj=None)


def __dir__() -> list[str]:
    return __all__
