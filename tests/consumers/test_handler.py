"""Handler: every kind of function is called as it has to be, and again where it raises."""

import asyncio
import functools
import types

import pytest

from redisnb.consumers import handler as module
from redisnb.consumers.handler import Handler


async def handled(handler, what="entry", goes_on=lambda: True):
    rest = handler(what, goes_on)
    return None if rest is None else await rest


def call(handler, *args, **options):
    return asyncio.run(handled(handler, *args, **options))


class Seen:
    """The handlers, each of which notes what it was given."""

    def __init__(self):
        self.what = []

    def plain(self, what):
        self.what.append(what)

    async def coroutine(self, what):
        await asyncio.sleep(0)
        self.what.append(what)

    def three(self, one, two, what):
        self.what.append(what)

    async def async_three(self, one, two, what):
        await asyncio.sleep(0)
        self.what.append(what)

    def future(self, what):
        return asyncio.ensure_future(self.coroutine(what))


class Callable:
    def __init__(self, seen):
        self.seen = seen

    def __call__(self, what):
        self.seen.plain(what)


class AsyncCallable(Callable):
    async def __call__(self, what):
        await self.seen.coroutine(what)


HANDLERS = {
    "function": (lambda seen: seen.plain, False),
    "coroutine function": (lambda seen: seen.coroutine, True),
    "partial": (lambda seen: functools.partial(seen.three, 1, 2), False),
    "partial of a coroutine function": (
        lambda seen: functools.partial(seen.async_three, 1, 2),
        True,
    ),
    "object": (Callable, False),
    "object with a coroutine": (AsyncCallable, True),
    # Nobody sees that they give something to await, before they have.
    "lambda": (lambda seen: lambda what: seen.coroutine(what), False),
    "future": (lambda seen: seen.future, False),
    "builtin": (lambda seen: seen.what.append, False),
}


@pytest.mark.parametrize(("make", "is_coroutine"), HANDLERS.values(), ids=HANDLERS)
def test_whatever_can_be_called_has_run_when_it_is_handled(make, is_coroutine):
    seen = Seen()
    handler = Handler(make(seen), 0)
    assert handler.is_coroutine is is_coroutine
    assert call(handler) is None
    assert seen.what == ["entry"]


def test_of_a_plain_function_that_returns_nothing_is_left_to_await():
    assert Handler(lambda what: None, 0)("entry", lambda: True) is None


@pytest.mark.parametrize("result", [False, None, 0, "text", [1], ValueError("no")])
def test_what_a_handler_returns_does_not_matter(result):
    assert call(Handler(lambda what: result, 0)) is None


def generator(what):
    yield what


async def async_generator(what):
    yield what


class GeneratorObject:
    def __call__(self, what):
        yield what


class AsyncGeneratorObject:
    async def __call__(self, what):
        yield what


@pytest.mark.parametrize(
    "function",
    [
        *(generator, async_generator, GeneratorObject(), AsyncGeneratorObject()),
        *(GeneratorObject().__call__, functools.partial(generator), lambda what: (yield what)),
    ],
)
def test_a_function_with_a_yield_is_refused(function):
    with pytest.raises(TypeError, match="has a yield, so calling it would run nothing of it"):
        Handler(function, 0)


@pytest.mark.parametrize("nothing", [None, 5, "print", [print]])
def test_what_cannot_be_called_is_refused(nothing):
    with pytest.raises(TypeError, match="the handler is a function, not"):
        Handler(nothing, 0)


async def gives_generator(what):
    return generator(what)


@pytest.mark.parametrize(
    "function",
    [
        lambda what: generator(what),
        lambda what: async_generator(what),
        lambda what: (each for each in what),
        gives_generator,
    ],
)
def test_a_generator_that_a_handler_returns_has_not_run_and_is_an_error(function):
    error = call(Handler(function, 0))
    assert isinstance(error, TypeError)
    assert "returned a generator, and nothing of it has run" in str(error)


@types.coroutine
def old_coroutine(what):
    yield from asyncio.sleep(0).__await__()


def test_a_generator_that_can_be_awaited_is_awaited():
    assert call(Handler(lambda what: old_coroutine(what), 0)) is None


# Called again


class Failing:
    """A handler that raises the first `times`."""

    def __init__(self, times, error=ValueError):
        self.times, self.error, self.calls = times, error, 0

    def __call__(self, what):
        self.calls += 1
        if self.calls <= self.times:
            raise self.error(f"call {self.calls}")


class AsyncFailing(Failing):
    async def __call__(self, what):
        await asyncio.sleep(0)
        super().__call__(what)


both = pytest.mark.parametrize("kind", [Failing, AsyncFailing])


@pytest.fixture
def waits(monkeypatch):
    """The waits between two calls, which take no time."""
    waits = []

    async def note(seconds):
        waits.append(seconds)

    monkeypatch.setattr(module, "asyncio", types.SimpleNamespace(sleep=note))
    return waits


@both
def test_without_retries_the_first_error_is_returned(kind, waits):
    failing = kind(1)
    error = call(Handler(failing, 0))
    assert (type(error), str(error), failing.calls, waits) == (ValueError, "call 1", 1, [])
    assert error.__traceback__ is not None


@both
def test_a_handler_that_raises_is_called_again_after_longer_and_longer_waits(kind, waits):
    failing = kind(6)
    assert call(Handler(failing, 6)) is None
    assert failing.calls == 7
    expected = [0.05, 0.1, 0.2, 0.4, 0.8, 1]
    assert len(waits) == 6
    assert all(wait / 2 <= waited <= wait for waited, wait in zip(waits, expected, strict=True))


@both
def test_when_the_retries_are_used_up_the_last_error_is_returned(kind, waits):
    failing = kind(99)
    assert str(call(Handler(failing, 3))) == "call 4"
    assert (failing.calls, len(waits)) == (4, 3)


def test_each_entry_has_all_its_retries(waits):
    failing = Failing(99)
    handler = Handler(failing, 1)
    call(handler)
    call(handler)
    assert failing.calls == 4
    assert all(waited <= 0.05 for waited in waits)


@both
@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_it_is_not_called_again_when_nothing_goes_on(kind, waits, stop_after):
    failing = kind(99)
    error = call(Handler(failing, 9), goes_on=lambda: failing.calls < stop_after)
    assert str(error) == f"call {stop_after}"
    assert failing.calls == stop_after


def test_a_handler_that_succeeds_is_not_asked_whether_it_goes_on(waits):
    def never():
        raise AssertionError

    assert call(Handler(lambda what: None, 3), goes_on=never) is None


@both
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_what_is_to_end_the_program_passes_through(kind, waits, error):
    failing = kind(1, error)

    async def run():
        with pytest.raises(error):
            # Not through asyncio.run, which has its own ideas about a KeyboardInterrupt.
            await handled(Handler(failing, 5))

    asyncio.run(run())
    assert (failing.calls, waits) == (1, [])


def test_a_stop_iteration_is_an_error_like_any_other(waits):
    assert isinstance(call(Handler(lambda what: next(iter(())), 0)), StopIteration)


def test_a_cancel_while_it_waits_for_the_next_call_ends_it():
    failing = Failing(99)

    async def run():
        task = asyncio.create_task(handled(Handler(failing, 99)))
        await asyncio.sleep(0)
        assert failing.calls == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert failing.calls == 1
