"""The options of a replay: names, types and defaults, defined once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from inspect import Parameter
from typing import Any, Literal, TypeAlias, TypedDict, TypeVar, cast, get_args

from redisnb.captures import OnError
from redisnb.durations import Duration
from redisnb.entries import Position
from redisnb.errors import option
from redisnb.frames import Schema, Transform, Where

__all__ = ["Ids", "ReplayOptions", "check_replay_options", "takes_options"]

Ids: TypeAlias = Literal["new", "keep", "shift"]
C = TypeVar("C", bound=Callable[..., Any])


class ReplayOptions(TypedDict, total=False):
    """The options of a replay; `replay` says what each means."""

    start: Position | None
    end: Position | None
    where: Where | None
    schema: Schema | None
    transform: Transform | None
    limit: int | None
    speed: float | None
    rate: float | None
    max_gap: Duration | None
    ids: Ids
    stamp: bool
    resume: str | None
    allow_self: bool
    on_error: OnError


#: The defaults that are not None.
DEFAULTS: ReplayOptions = {"ids": "new", "stamp": False, "allow_self": False, "on_error": "raise"}


def takes_options(function: C) -> C:
    """Bind the ``**options`` of a function to `ReplayOptions`: fill in defaults, refuse others.

    The signature lists each option, since notebooks complete from it.
    """
    # Against the house rule, `**options` is passed through here: there is one set of options.
    signature = _with_options(inspect.signature(function))
    defaults = {name: DEFAULTS.get(name) for name in ReplayOptions.__annotations__}

    @wraps(function)
    def call(*args: Any, **options: Any) -> Any:
        for name in options:
            if name not in signature.parameters:
                # In the words of Python, as if each option were a parameter.
                raise TypeError(
                    f"{function.__qualname__}() got an unexpected keyword argument {name!r}"
                )
        return function(*args, **defaults | options)

    call.__signature__ = signature  # type: ignore[attr-defined]
    return cast(C, call)


def _with_options(signature: inspect.Signature) -> inspect.Signature:
    """Return a signature with each option as a keyword, ahead of the function's own."""
    parameters = list(signature.parameters.values())[:-1]
    keywords = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=DEFAULTS.get(name),
            annotation=getattr(annotation, "__forward_arg__", annotation),
        )
        for name, annotation in ReplayOptions.__annotations__.items()
    ]
    own = [each for each in parameters if each.kind is Parameter.KEYWORD_ONLY]
    others = [each for each in parameters if each.kind is not Parameter.KEYWORD_ONLY]
    return signature.replace(parameters=[*others, *keywords, *own])


def check_replay_options(options: ReplayOptions) -> None:
    """Refuse values that an option does not take."""
    ids, resume, transform = options["ids"], options["resume"], options["transform"]
    if ids not in get_args(Ids):
        raise ValueError(f"{option('ids', ids)}; choose 'new', 'keep' or 'shift'")
    if resume is not None and (not isinstance(resume, str) or not resume):
        raise ValueError(f"{option('resume', resume)}; it is a name, such as 'nightly'")
    if transform is not None and not callable(transform):
        raise TypeError(f"transform= is a function, not {type(transform).__name__}")
