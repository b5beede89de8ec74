"""Captures: entries of streams in files."""

from redisnb.captures.capturing import capture
from redisnb.captures.loading import load
from redisnb.captures.reader import OnError, Recording, open_capture

__all__ = ["OnError", "Recording", "capture", "load", "open_capture"]
