"""Functions with cached results, under keys made of the source and the arguments."""

from __future__ import annotations

import functools
import hashlib
import inspect
import tokenize
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from redisnb.errors import EncodeError
from redisnb.keyspace import encoding

__all__ = ["memoized"]

P = ParamSpec("P")
R = TypeVar("R")


def memoized(
    function: Callable[P, R],
    get: Callable[[str, Any], Any],
    put: Callable[[str, Any], object],
) -> Callable[P, R]:
    """Return a function that looks up its results by `get(key, default)` and stores them by `put`.

    Raises
    ------
    TypeError
        If it is a coroutine function.
    """
    key_of = _keys_of(function)
    missing = object()

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        key = key_of(*args, **kwargs)
        result = get(key, missing)
        if result is missing:
            result = function(*args, **kwargs)
            put(key, result)
        return result  # type: ignore[no-any-return]

    return call


def _keys_of(function: Callable[..., Any]) -> Callable[..., str]:
    """Return a function that makes the key of a call from source and argument content.

    Raises
    ------
    TypeError
        If it is a coroutine function. (The returned function raises TypeError for arguments that do
        not fit the signature, and EncodeError for one that a cache cannot hold.)
    """
    if inspect.iscoroutinefunction(function):
        raise TypeError("memoize() takes plain functions, not coroutine functions")
    signature = inspect.signature(function)
    source = _source(function)

    def key(*args: Any, **kwargs: Any) -> str:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        digest = _digest({"": source, **bound.arguments})
        return f"{function.__module__}.{function.__qualname__}:{digest}"

    return key


def _source(function: Callable[..., Any]) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):
        # Typed at a prompt, not written in Python, or in a file that has changed since.
        return ""


def _digest(arguments: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name, value in arguments.items():
        try:
            stored = encoding.encode(value)
        except EncodeError as error:
            raise EncodeError(f"argument {name!r}: {error}", column=name) from None
        # The kind keeps 1, 1.0 and "1" apart.
        digest.update(f"{name}:{type(value).__name__}:{len(stored)}:".encode() + stored)
    return digest.hexdigest()
