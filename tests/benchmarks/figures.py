"""What was measured, and the targets that it is held against."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MB = 10**6


@dataclass(frozen=True)
class Row:
    """What was measured of one variant of a workload."""

    workload: str
    variant: str
    role: str
    entries: int
    #: Of each timed run.
    seconds: tuple[float, ...]
    #: CPU seconds of each: of this process with its threads and children, and of the server.
    client_cpu: tuple[float, ...] = ()
    server_cpu: tuple[float, ...] = ()
    #: Whether the median stands for the runs, and not the least.
    by_median: bool = False
    #: Bytes: the peak above the start, or what was stored.
    size: int | None = None
    #: Bytes of the frame that came of it.
    frame: int | None = None
    targets: tuple["Target", ...] = ()

    @property
    def time(self) -> float:
        """The seconds that stand for all runs."""
        return self.of(self.seconds)

    def of(self, runs: tuple[float, ...]) -> float:
        """Return what stands for a figure of all runs."""
        return statistics.median(runs) if self.by_median else min(runs)

    @property
    def rate(self) -> float:
        """Entries per second."""
        return self.entries / self.time


Rows = Mapping[str, Row]


@dataclass(frozen=True)
class Target:
    """A bound on a figure that comes of a row and of the rows beside it, by their role."""

    text: str
    bound: float
    at_least: bool
    figure: Callable[[Row, Rows], float | None]

    def judge(self, row: Row, beside: Rows) -> tuple[float | None, bool | None]:
        """Return the figure and whether it is good enough, or None where it is unknown."""
        figure = self.figure(row, beside)
        if figure is None:
            return None, None
        return figure, figure >= self.bound if self.at_least else figure <= self.bound


def on_idiom(row: Row, beside: Rows) -> float | None:
    """How many times as fast as the idiom."""
    return row.rate / beside["idiom"].rate if "idiom" in beside else None


def on_wire(row: Row, beside: Rows) -> float | None:
    """How many times as long as the wire, or as redis-benchmark, for the same entries."""
    return beside["wire"].rate / row.rate if "wire" in beside else None


def idiom(factor: float) -> Target:
    """At least so many times as fast as the idiom."""
    return Target(f">= {factor:g}x idiom", factor, True, on_idiom)


def wire(factor: float) -> Target:
    """At most so many times as long as the wire."""
    return Target(f"<= {factor:g}x wire", factor, False, on_wire)


def ceiling(share: float) -> Target:
    """At least this share of redis-benchmark's rate."""

    def figure(row: Row, beside: Rows) -> float | None:
        times = on_wire(row, beside)
        return None if times is None else 1 / times

    return Target(f">= {share:g}x redis-benchmark", share, True, figure)


def of_range(share: float) -> Target:
    """At least this share of the rate of `Stream.range`."""
    return Target(
        f">= {share:g}x range",
        share,
        True,
        lambda row, beside: row.rate / beside["range"].rate if "range" in beside else None,
    )


def added(share: float) -> Target:
    """At least this share of the rate of `Stream.add_many`."""
    return Target(
        f">= {share:g}x add_many",
        share,
        True,
        lambda row, beside: row.rate / beside["add-many"].rate if "add-many" in beside else None,
    )


def peer(factor: float) -> Target:
    """At least so many times as fast as the fastest of the other packages that are installed."""
    return Target(
        f">= {factor:g}x any peer",
        factor,
        True,
        lambda row, beside: row.rate / beside["peer"].rate if "peer" in beside else None,
    )


def of_frame(factor: float) -> Target:
    """At most so many times the frame's own memory."""
    return Target(
        f"<= {factor:g}x the frame",
        factor,
        False,
        lambda row, _: row.size / row.frame if row.size is not None and row.frame else None,
    )


def megabytes(most: float) -> Target:
    """At most so much memory above the start."""
    return Target(
        f"<= {most:g} MB",
        most,
        False,
        lambda row, _: None if row.size is None else row.size / MB,
    )


def late(most: float) -> Target:
    """At most so many ms late, where the time measured is a lateness."""
    return Target(f"<= {most:g} ms late", most, False, lambda row, _: row.time * 1000)


def size_of_idiom(factor: float) -> Target:
    """At most so many times what the idiom stores."""

    def figure(row: Row, beside: Rows) -> float | None:
        other = beside["idiom"].size if "idiom" in beside else None
        return row.size / other if row.size is not None and other else None

    return Target(f"<= {factor:g}x idiom's size", factor, False, figure)


def slower_than_idiom(factor: float) -> Target:
    """At most so many times as long as the idiom."""

    def figure(row: Row, beside: Rows) -> float | None:
        times = on_idiom(row, beside)
        return None if times is None else 1 / times

    return Target(f"<= {factor:g}x idiom's time", factor, False, figure)


def seconds(most: float) -> Target:
    """At most so many seconds."""
    return Target(f"<= {most:g} s", most, False, lambda row, _: row.time)


def beyond_idiom(most: float) -> Target:
    """At most so many seconds longer than the idiom."""
    return Target(
        f"<= {most:g} s above idiom",
        most,
        False,
        lambda row, beside: row.time - beside["idiom"].time if "idiom" in beside else None,
    )
