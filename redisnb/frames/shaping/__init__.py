"""Replies to any command: a frame where they are tabular, plain Python otherwise."""

from redisnb.frames.shaping.server import clients_frame, parse_info, slowlog_frame
from redisnb.frames.shaping.shape import shape_reply

__all__ = ["clients_frame", "parse_info", "shape_reply", "slowlog_frame"]
