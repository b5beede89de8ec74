"""What ``%load_ext redisnb`` loads, and what it takes away again; IPython is imported only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_magics", "unload_magics"]


def load_magics(shell: InteractiveShell) -> None:
    """Register ``%redis`` and ``%%redis`` in a shell, and their completion."""
    from redisnb.explore.completion import CommandCompletion
    from redisnb.explore.magics import RedisMagics

    magics = RedisMagics(shell)
    shell.register_magics(magics)
    CommandCompletion(shell, magics.connection_for).register()


def unload_magics(shell: InteractiveShell) -> None:
    """Remove them again, and close the connections that they made."""
    from redisnb.explore.completion import CommandCompletion

    CommandCompletion.unregister(shell)
    magics = shell.magics_manager.registry.pop("RedisMagics", None)
    if magics is None:
        return
    for registered in shell.magics_manager.magics.values():
        if getattr(registered.get("redis"), "__self__", None) is magics:
            del registered["redis"]
    magics.close()
