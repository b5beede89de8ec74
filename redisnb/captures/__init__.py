"""Captures: entries of streams in files."""

from redisnb.captures.capturing import capture
from redisnb.captures.loading import load
from redisnb.captures.reader import OnError, Recording, open_capture
from redisnb.captures.remote import is_remote

__all__ = ["OnError", "Recording", "capture", "is_remote", "load", "open_capture"]
