"""Completion of Redis commands in ``%redis`` lines and ``%%redis`` cells."""

from redisnb.explore.completion.matching import CommandCompletion

__all__ = ["CommandCompletion"]
