"""%redis and %%redis: commands in a notebook, as in redis-cli; only this module imports IPython."""

from __future__ import annotations

import re
import warnings
from collections import ChainMap
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import redis
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import (
    Magics,
    line_cell_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)

from redisnb.errors import RedisnbError, RedisnbWarning, nearest
from redisnb.explore.commands import (
    Line,
    Request,
    Results,
    error_lines,
    expression_end,
    read_lines,
    run,
    substituted,
)
from redisnb.wire import Connection, connect

__all__ = ["RedisMagics"]

_HELP = """\
%redis XRANGE orders - + COUNT 5     the reply, as a frame where it is tabular
rows = %redis HGETALL user:7         the same in a variable
%redis SET $key {f"{n:05d}"}         variables and expressions, one argument each
%%redis                              a command in each line, sent together
%redis --conn NAME                   use the connection in this variable, or a URL
%redis?                              all about it"""
_MAGIC_OPTIONS = ("--conn", "--raw")
_NO_CONNECTION = "there is no connection; conn = redisnb.connect(...) makes one"


class Options(NamedTuple):
    """What stands before a command: the connection to use, and whether replies stay as they are."""

    conn: str | None
    raw: bool


@magics_class
class RedisMagics(Magics):
    """The magics ``%redis`` and ``%%redis`` of one shell, and the connections that they made."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._chosen: str | None = None
        # By a URL, or by the client of a variable.
        self._made: list[tuple[object, Connection]] = []

    def close(self) -> None:
        """Close the connections that the magics made."""
        for _, conn in self._made:
            conn.close()
        self._made.clear()

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def redis(
        self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None
    ) -> Any:
        r"""Send commands, and return the reply as a DataFrame where it is tabular.

        ``%redis XRANGE orders - + COUNT 5`` sends one command; ``rows = %redis ...`` keeps what it
        returns. ``%%redis`` sends a command in each line of a cell, all in one pipeline; blank
        lines and those that begin with ``#`` are left out. `redisnb.command` says which replies are
        frames, and which commands are refused.

        Options stand before the command:

        --conn NAME   a variable with a connection, a redis-py client or a URL; or a URL itself. On
                      a line without a command it is for all later ones. Without it: the variable
                      ``conn``, or the only connection of the notebook.
        --raw         bytes and lists as the server sent them

        Words are split as in redis-cli: "a b", 'a b', "\n", "\xff". A word that is ``$name``, or
        an expression in braces such as ``{rows["id"][0]}``, is replaced by the value: text, bytes
        or a number, always one argument, never split or read again. Parts of words are not:
        ``user:{id}`` is a key with a hash tag, ``{f"user:{id}"}`` the key of one user, and
        ``user:$id`` is refused. ``'$name'`` and ``'{tag}'`` in quotes are sent as they are.

        A ``;`` at the end of a line is not sent; at the end of the last it hides the result, also
        from an assignment. IPython takes a line that ends in ``?`` for a question: quote the word.
        """
        names = ChainMap(*map(dict, [local_ns or {}, self._variables]))
        try:
            options, rest = read_options(line)
            if not rest and cell is None:
                return self._without_command(options, names)
            text, is_hidden = _without_semicolons(rest if cell is None else f"{rest}\n{cell}")
            lines = read_lines(text, expression_end)
            requests = [self._request(each, names) for each in lines]
            conn = self._connection(options.conn, names)
            results, failures = run(conn, requests, raw=options.raw)
        except (RedisnbError, redis.RedisError, OSError, KeyboardInterrupt) as error:
            raise _brief(error) from None
        except (NameError, TypeError, ValueError) as error:
            raise UsageError(str(error)) from None
        if failures:
            # Without a line of the cell, which to Python is all of its text in one.
            warnings.warn_explicit(failures, RedisnbWarning, "%%redis", 1)
        if is_hidden:
            return None
        return results[0] if len(results) == 1 else Results((each.text for each in lines), results)

    def connection_for(self, line: str) -> Connection | None:
        """Return the connection that a line (what follows the magic's name) uses; None without one.

        It never connects, and never raises an error.
        """
        try:
            options, _ = read_options(line)
        except UsageError:
            return None
        found = self._find(options.conn, self._variables)
        return found if isinstance(found, Connection) else self._made_for(found)

    @property
    def _variables(self) -> dict[str, Any]:
        # A shell may be given other ones, as an embedded one is.
        return {} if self.shell is None else self.shell.user_ns

    def _without_command(self, options: Options, names: Mapping[str, Any]) -> Connection | None:
        if options.raw:
            raise UsageError("--raw stands before a command: %redis --raw GET user:7")
        if options.conn is None:
            print(_HELP)
            return None
        conn = self._connection(options.conn, names)
        self._chosen = options.conn
        return conn

    def _request(self, line: Line, names: Mapping[str, Any]) -> Request:
        def evaluate(expression: str) -> Any:
            try:
                return eval(expression, dict(names))  # noqa: S307 - the user's own code
            except Exception as error:  # noqa: BLE001 - it may raise anything
                said = f": {type(error).__name__}: {error}"
                if isinstance(error, SyntaxError):
                    said = " is no expression of Python"
                raise UsageError(
                    f"{line.place}{{{expression}}}{said}; in quotes it is sent as is"
                ) from None

        words = [substituted(word, names, evaluate, line.place) for word in line.words]
        return Request(words, line.place)

    # -- which connection

    def _find(self, name: str | None, names: Mapping[str, Any]) -> object:
        """Return what a name or URL stands for, or what is used without one; None if nothing."""
        name = self._chosen if name is None else name
        if name is not None:
            return name if "://" in name else names.get(name)
        if isinstance(names.get("conn"), Connection):
            return names["conn"]
        # There can be several names of one.
        found = {id(names[name]): names[name] for name in _connection_names(names)}
        return next(iter(found.values())) if len(found) == 1 else None

    def _connection(self, name: str | None, names: Mapping[str, Any]) -> Connection:
        found = self._find(name, names)
        if found is None:
            raise UsageError(self._missing(self._chosen if name is None else name, names))
        if isinstance(found, Connection):
            return found
        known = self._made_for(found)
        if known is None:
            known = connect(found)  # type: ignore[arg-type] # it refuses what it does not take
            self._made.append((found, known))
        return known

    def _made_for(self, target: object) -> Connection | None:
        is_url = isinstance(target, str)
        for made, conn in self._made:
            if made is target or (is_url and made == target):
                return conn
        return None

    def _missing(self, name: str | None, names: Mapping[str, Any]) -> str:
        listed = sorted(_connection_names(names))
        if name is None and listed:
            return (
                f"there are several connections: {', '.join(listed)}; %redis --conn {listed[0]} "
                "chooses one"
            )
        if name is None:
            return f"{_NO_CONNECTION}, or %redis --conn NAME chooses one"
        if not name.isidentifier():
            # It may have been meant as a URL, with a password.
            return "--conn takes the name of a variable, or a URL such as redis://localhost:6379/0"
        meant = nearest(name, listed)
        hint = f"did you mean {meant}?" if meant else _NO_CONNECTION
        return f"--conn {name}: there is no variable of that name; {hint}"


def _connection_names(names: Mapping[str, Any]) -> list[str]:
    """Return the variables with a connection; those of IPython, which begin with _, are copies."""
    return [
        name
        for name, value in names.items()
        if isinstance(value, Connection) and not name.startswith("_")
    ]


def read_options(line: str) -> tuple[Options, str]:
    """Return the options at the beginning of a line, and the rest of it."""
    conn, raw, rest = None, False, line.strip()
    while rest.startswith("--"):
        option, _, rest = rest.partition(" ")
        option, _, value = option.partition("=")
        if option == "--raw" and not value:
            raw = True
        elif option == "--conn":
            if not value:
                value, _, rest = rest.lstrip().partition(" ")
            conn = value.strip("\"'")
            if not conn:
                raise UsageError("--conn takes the name of a variable, or a URL")
        else:
            # What is glued to it may be a URL with a password.
            option = re.match("-*[a-zA-Z-]*", option)[0]  # type: ignore[index]
            meant = nearest(option, _MAGIC_OPTIONS)
            hint = (
                f"did you mean {meant}?" if meant else f"there are {' and '.join(_MAGIC_OPTIONS)}"
            )
            raise UsageError(f"there is no option {option}; {hint}")
        rest = rest.lstrip()
    return Options(conn, raw), rest


def _without_semicolons(text: str) -> tuple[str, bool]:
    """Return the text without a ``;`` at the end of a line, and whether there is one at the end."""
    lines = [line.rstrip() for line in text.split("\n")]
    commands = [line for line in lines if line and not line.lstrip().startswith("#")]
    is_hidden = bool(commands) and commands[-1].endswith(";")
    return "\n".join(line.removesuffix(";") for line in lines), is_hidden


def _brief(error: BaseException) -> BaseException:
    """Have IPython show an error in a few lines, without the way to it through redisnb."""
    vars(error)["_render_traceback_"] = partial(error_lines, error)
    return error
