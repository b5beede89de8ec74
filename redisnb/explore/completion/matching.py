"""The matcher that IPython asks at each Tab."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher
from IPython.core.interactiveshell import InteractiveShell

from redisnb import keyspace
from redisnb.explore.commands import Syntax
from redisnb.explore.completion.asking import Offer, known_commands, offers
from redisnb.explore.completion.words import MagicLine, Typed, find_line, typed_words
from redisnb.wire import Connection

__all__ = ["CommandCompletion"]

#: What the matcher is called in IPython's settings.
IDENTIFIER = "redisnb.commands"
#: In characters: it stands beside the name.
LONGEST_HINT = 64
# JupyterLab breaks a hint where a line may end, over the rows below.
_UNBROKEN = str.maketrans(
    {" ": "\N{NO-BREAK SPACE}", "|": "|\N{WORD JOINER}", "-": "-\N{WORD JOINER}"}
)
_OPTION_HINTS = {"--conn": "NAME", "--raw": "the reply as it is"}


class CommandCompletion:
    """The completion of ``%redis`` and ``%%redis`` in a shell.

    Parameters
    ----------
    shell : InteractiveShell
    connection_for : function
        It takes a line with the options of the magic, and returns the Connection that it uses, or
        None; it does not connect.
    """

    def __init__(
        self, shell: InteractiveShell, connection_for: Callable[[str], Connection | None]
    ) -> None:
        self._shell, self._connection_for = shell, connection_for
        self._commands: WeakKeyDictionary[Connection, Mapping[str, Syntax]] = WeakKeyDictionary()

    def register(self) -> None:
        """Have the shell ask it, in place of an earlier one."""
        self.unregister(self._shell)

        def matcher(context: CompletionContext) -> dict[str, Any]:
            return self.complete(context.full_text, context.cursor_line, context.cursor_position)

        # Before those of IPython, which then need not look.
        decorate = context_matcher(identifier=IDENTIFIER, priority=100)
        self._shell.Completer.custom_matchers.append(decorate(matcher))

    @staticmethod
    def unregister(shell: InteractiveShell) -> None:
        """Have a shell ask none of them any more."""
        matchers = shell.Completer.custom_matchers
        matchers[:] = [
            each for each in matchers if getattr(each, "matcher_identifier", "") != IDENTIFIER
        ]

    def complete(self, cell: str, number: int, column: int) -> dict[str, Any]:
        """Return a result for IPython: what can stand at the cursor in a line of a cell."""
        line = find_line(cell, number, column)
        typed = None if line is None else typed_words(line.text)
        # Within an expression IPython completes.
        if line is None or (typed is not None and typed.fragment.startswith("{")):
            return {"completions": [], "suppress": False}
        found = [] if typed is None else self._offers(line, typed)
        return {
            "completions": list(map(_shown, found)) or _NothingElse(),
            "matched_fragment": "" if typed is None else typed.fragment,
            "suppress": True,
            "ordered": True,
        }

    def _offers(self, line: MagicLine, typed: Typed) -> list[Offer]:
        if line.above is None:
            count = _options_in(typed.words)
            if count and typed.words[count - 1 :] == ("--conn",):
                return self._variables(typed.fragment, kind=Connection)
            if typed.fragment.startswith("-") and len(typed.words) == count:
                hints = _OPTION_HINTS.items()
                return [Offer(*each) for each in hints if each[0].startswith(typed.fragment)]
            typed = typed.after(count)
        if typed.fragment.startswith("$"):
            return self._variables(typed.fragment[1:], sign="$")
        conn = self._connection_for(line.options)
        if conn is None:
            return []
        return keyspace.unasked(conn, lambda quick: self._asked(conn, quick, typed))

    def _asked(self, conn: Connection, quick: Connection, typed: Typed) -> list[Offer]:
        # Where they were refused they may be allowed by now.
        commands = self._commands.get(conn) or known_commands(quick)
        self._commands[conn] = commands
        return offers(quick, commands, typed)

    def _variables(self, begin: str, sign: str = "", kind: type = object) -> list[Offer]:
        """Return variables of the notebook; none of IPython's own, or that begin with ``_``."""
        hidden = self._shell.user_ns_hidden
        return [
            Offer(f"{sign}{name}", type(value).__name__)
            for name, value in sorted(self._shell.user_ns.items())
            if name.startswith(begin) and not name.startswith("_") and name not in hidden
            if isinstance(value, kind)
        ]


def _shown(offer: Offer) -> SimpleCompletion:
    """Return what IPython shows."""
    is_long = len(offer.hint) > LONGEST_HINT
    hint = f"{offer.hint[: LONGEST_HINT - 1]}…" if is_long else offer.hint
    return SimpleCompletion(offer.text, type=hint.translate(_UNBROKEN))


class _NothingElse:
    """No completion; since it counts as one, IPython does not offer its files and names instead."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[SimpleCompletion]:
        return iter(())


def _options_in(words: tuple[str, ...]) -> int:
    """Return how many words are options of the magic; one that lacks its value is the last."""
    count = 0
    while count < len(words) and words[count].startswith("--"):
        count += 1 + (words[count] == "--conn")
    return min(count, len(words))
