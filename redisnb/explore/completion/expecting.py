"""Which words a command may have next, by a walk over its syntax and the words before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from redisnb.explore.commands import Term

__all__ = ["Expected", "Known", "expected"]

_DIGITS = re.compile(r"[+-]?\d+")
_WHOLE_NUMBERS = ("integer", "unix-time")


@dataclass(frozen=True)
class Known:
    """What the words before tell: the first key and the last group, where there are any."""

    key: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Expected:
    """A word that may come next."""

    term: Term
    #: The keyword that this word is, "" if it is a value.
    token: str
    known: Known


@dataclass(frozen=True)
class _Options:
    """Optional terms that may come in any order."""

    terms: tuple[Term, ...]


@dataclass(frozen=True)
class _Again:
    """Another one of a term that may be repeated."""

    term: Term


#: What may still come, in order: the first, and the rest.
_Agenda: TypeAlias = "tuple[Term | _Options | _Again, _Agenda] | None"
# A word that may come now, and what may come after it.
_Step: TypeAlias = tuple[Term, str, _Agenda]
_Walk: TypeAlias = tuple[_Agenda, Known]


def expected(terms: Sequence[Term], words: Sequence[str]) -> list[Expected]:
    """Return the words that may come next.

    Where the words before do not fit, these are the keywords that the command has anywhere.
    """
    states: list[_Walk] = [(_sequence(terms, None), Known())]
    for word in words:
        # There may be several ways to one state.
        states = list(dict.fromkeys(_after(states, word)))
    found = _possible(states) if states else _anywhere(terms)
    return list(dict.fromkeys(each for each, _ in found))


def _possible(states: Iterable[_Walk]) -> Iterator[tuple[Expected, _Agenda]]:
    for agenda, known in states:
        for term, token, rest in _steps(agenda):
            yield Expected(term, token, known), rest


def _after(states: Iterable[_Walk], word: str) -> Iterator[_Walk]:
    """Yield the states after a word: a keyword is one, where a value could stand too."""
    found = list(_possible(states))
    keywords = [
        (rest, each.known) for each, rest in found if each.token and each.token == word.upper()
    ]
    if keywords:
        yield from keywords
        return
    for each, rest in found:
        if not each.token and _fits(each.term, word):
            yield rest, _with(each.known, each.term, word)


def _fits(term: Term, word: str) -> bool:
    # What a Python value stands for is not known.
    is_value = word.startswith(("$", "{"))
    return is_value or term.type not in _WHOLE_NUMBERS or bool(_DIGITS.fullmatch(word))


def _with(known: Known, term: Term, word: str) -> Known:
    if term.type == "key" and known.key is None:
        return Known(word, known.group)
    if term.name.startswith("group"):
        return Known(known.key, word)
    return known


def _sequence(terms: Sequence[Term], rest: _Agenda) -> _Agenda:
    """Put terms before the rest; neighbours that are optional come in any order."""
    options: list[Term] = []
    for term in reversed(terms):
        if term.optional:
            options.insert(0, term)
            continue
        if options:
            rest = (_Options(tuple(options)), rest)
            options = []
        rest = (term, rest)
    return (_Options(tuple(options)), rest) if options else rest


def _steps(agenda: _Agenda, repeated: frozenset[Term] = frozenset()) -> Iterator[_Step]:
    """Yield the words that may come now; those of `repeated` terms were yielded before."""
    if agenda is None:
        return
    first, rest = agenda
    if isinstance(first, _Options):
        for term in first.terms:
            others = tuple(each for each in first.terms if each is not term)
            after = (_Options(others), rest) if others else rest
            yield from _steps_of(term, after, repeated)
        yield from _steps(rest, repeated)
    elif isinstance(first, _Again):
        term = first.term
        if term not in repeated:
            more = repeated | {term}
            yield from _steps_of(term, rest, more, again=True)
        yield from _steps(rest, repeated)
    else:
        yield from _steps_of(first, rest, repeated)


def _steps_of(
    term: Term, rest: _Agenda, repeated: frozenset[Term], *, again: bool = False
) -> Iterator[_Step]:
    after: _Agenda = (_Again(term), rest) if term.multiple else rest
    if term.token and (not again or term.repeats_token):
        inner = after if term.type == "pure-token" else _inner(term, after)
        yield term, term.token.upper(), inner
    elif term.type == "block":
        yield from _steps(_sequence(term.terms, after), repeated)
    elif term.type == "oneof":
        for each in term.terms:
            yield from _steps_of(each, after, repeated)
    elif term.type != "pure-token":
        yield term, "", after


def _inner(term: Term, rest: _Agenda) -> _Agenda:
    """Return what comes after the keyword of a term."""
    return (Term(term.name, term.type, terms=term.terms), rest)


def _anywhere(terms: Iterable[Term]) -> Iterator[tuple[Expected, None]]:
    for term in terms:
        if term.token:
            yield Expected(term, term.token.upper(), Known()), None
        yield from _anywhere(term.terms)
