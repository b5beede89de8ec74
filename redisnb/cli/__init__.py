"""The command `redisnb`."""

from redisnb.cli.program import main

__all__ = ["main"]
