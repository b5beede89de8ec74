"""The syntax of a command, as COMMAND DOCS describes it.

https://redis.io/docs/latest/commands/command-docs/
"""

from __future__ import annotations

from typing import Any

from redisnb import wire
from redisnb.entries import as_text

__all__ = ["syntax_of"]


def syntax_of(name: str, docs: Any) -> str:
    """Return the syntax of a command: its name with its arguments, or with its subcommands."""
    docs = wire.mapping(docs)
    words = name.upper().replace("|", " ")
    if subcommands := docs.get(b"subcommands"):
        parts = [as_text(each).upper().partition("|")[2] for each in wire.mapping(subcommands)]
        return f"{words} {' | '.join(sorted(parts))} ..."
    return " ".join([words, *map(_argument, docs.get(b"arguments") or ())])


def _argument(reply: Any) -> str:
    argument = wire.mapping(reply)
    flags = argument.get(b"flags") or ()
    parts = [*map(_argument, argument.get(b"arguments") or ())]
    token = as_text(argument.get(b"token", b""))
    kind = argument[b"type"]
    if kind == b"pure-token":
        text, token = token, ""
    elif kind == b"oneof":
        # The brackets of an option hold them together too.
        text = " | ".join(parts)
        if token or b"optional" not in flags or b"multiple" in flags:
            text = f"<{text}>"
    elif kind == b"block":
        text = " ".join(parts)
    else:
        text = as_text(argument.get(b"display_text", argument[b"name"]))
    text = _repeated(text, token, flags)
    return f"[{text}]" if b"optional" in flags else text


def _repeated(text: str, token: str, flags: Any) -> str:
    whole = f"{token} {text}" if token else text
    if b"multiple" not in flags:
        return whole
    return f"{whole} [{whole if b'multiple_token' in flags else text} ...]"
