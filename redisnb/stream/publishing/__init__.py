"""Publishing: events to the commands that add them, and what became of each."""

from redisnb.stream.publishing.publisher import Publisher, add_in_parts

__all__ = ["Publisher", "add_in_parts"]
