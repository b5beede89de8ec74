"""Publishing: events to commands, and the result for each."""

from redisnb.stream.publishing.publisher import Publisher, add_in_parts

__all__ = ["Publisher", "add_in_parts"]
