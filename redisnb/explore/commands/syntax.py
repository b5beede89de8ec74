"""The syntax of commands, as the server describes it.

https://redis.io/docs/latest/commands/command-docs/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from redisnb import wire
from redisnb.entries import as_text

__all__ = ["Syntax", "Term", "documented", "listed"]


@dataclass(frozen=True)
class Term:
    """One argument of a command, or several that belong together."""

    name: str
    #: "key", "string", "integer", ...; "pure-token" is a keyword, "block" and "oneof" have terms.
    type: str
    #: The keyword before it, or "".
    token: str = ""
    optional: bool = False
    multiple: bool = False
    #: Whether the keyword is repeated too.
    repeats_token: bool = False
    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return f"[{self.required}]" if self.optional else self.required

    @property
    def required(self) -> str:
        """The term as text, without the brackets of an option."""
        parts = list(map(str, self.terms))
        text, token = self.name, self.token
        if self.type == "pure-token":
            text, token = token, ""
        elif self.type == "block":
            text = " ".join(parts)
        elif self.type == "oneof":
            # The brackets of an option hold them together too.
            is_held = self.optional and not token and not self.multiple
            text = " | ".join(parts) if is_held else f"<{' | '.join(parts)}>"
        whole = f"{token} {text}" if token else text
        if not self.multiple:
            return whole
        return f"{whole} [{whole if self.repeats_token else text} ...]"


@dataclass(frozen=True)
class Syntax:
    """A command, or a subcommand, with its arguments."""

    name: str
    #: The part of Redis that it belongs to: "stream", "hash", "sorted-set", ...
    group: str = ""
    terms: tuple[Term, ...] = ()
    subcommands: tuple[Syntax, ...] = ()
    #: Whether the server describes it: otherwise the terms are a guess.
    is_documented: bool = True

    def __str__(self) -> str:
        return f"{self.name} {self.rest}".rstrip()

    @property
    def rest(self) -> str:
        """What stands behind the name; "" where that is unknown."""
        if self.subcommands:
            names = sorted(each.name.rpartition(" ")[2] for each in self.subcommands)
            return f"{' | '.join(names)} ..."
        return " ".join(map(str, self.terms)) if self.is_documented else ""


def documented(reply: Any) -> dict[str, Syntax]:
    """Return the commands in a reply to COMMAND DOCS, by name: "XADD", or "XINFO STREAM"."""
    commands = [_syntax_in(*each) for each in _members(reply)]
    return {command.name: command for command in commands}


def _syntax_in(name: str, reply: Any) -> Syntax:
    facts = wire.mapping(reply)
    return Syntax(
        name.replace("|", " ").upper(),
        as_text(facts.get(b"group", b"")),
        tuple(map(_term_in, facts.get(b"arguments") or ())),
        tuple(_syntax_in(*each) for each in _members(facts.get(b"subcommands") or [])),
    )


def _term_in(reply: Any) -> Term:
    facts = wire.mapping(reply)
    flags = set(facts.get(b"flags") or ())
    return Term(
        as_text(facts.get(b"display_text", facts[b"name"])),
        as_text(facts[b"type"]),
        as_text(facts.get(b"token", b"")),
        optional=b"optional" in flags,
        multiple=b"multiple" in flags,
        repeats_token=b"multiple_token" in flags,
        terms=tuple(map(_term_in, facts.get(b"arguments") or ())),
    )


def _members(reply: Any) -> Iterator[tuple[str, Any]]:
    return ((as_text(name), each) for name, each in wire.mapping(reply).items())


# Categories of commands that tell what type of keys they take.
_GROUP_OF = {
    b"@stream": "stream",
    b"@hash": "hash",
    b"@list": "list",
    b"@sortedset": "sorted-set",
    b"@set": "set",
    b"@string": "string",
}
_REST = Term("argument", "string", optional=True, multiple=True)


def listed(reply: Any) -> dict[str, Syntax]:
    """Return the commands in a reply to COMMAND, which tells only where their keys stand."""
    commands = {}
    for raw, _, _, first, last, _, *more in reply:
        categories = more[0] if more else ()
        groups = [_GROUP_OF[each] for each in categories if each in _GROUP_OF]
        before = (Term("argument", "string"),) * (first - 1)
        keys = (Term("key", "key", multiple=last != first),) if first > 0 else ()
        # SORT is for keys of several types.
        group = groups[0] if len(groups) == 1 else ""
        name = as_text(raw).upper()
        terms = (*before, *keys, _REST)
        commands[name] = Syntax(name, group, terms, is_documented=False)
    return commands
