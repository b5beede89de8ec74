"""The command `redisnb`."""

from redisnb.startup import ctrl_c_ends_command

with ctrl_c_ends_command():
    from redisnb.cli.program import main

__all__ = ["main"]
