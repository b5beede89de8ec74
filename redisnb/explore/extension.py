"""What ``%load_ext redisnb`` loads, and what it takes away again; IPython is imported only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_magics", "unload_magics"]


def load_magics(shell: InteractiveShell) -> None:
    """Register ``%redis`` and ``%%redis`` in a shell."""
    from redisnb.explore.magics import RedisMagics

    shell.register_magics(RedisMagics(shell))


def unload_magics(shell: InteractiveShell) -> None:
    """Remove them again, and close the connections that they made."""
    magics = shell.magics_manager.registry.pop("RedisMagics", None)
    if magics is None:
        return
    for registered in shell.magics_manager.magics.values():
        if getattr(registered.get("redis"), "__self__", None) is magics:
            del registered["redis"]
    magics.close()
