"""What was measured, and the targets that it is held against."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MB = 10**6
#: How much faster than the idiom polars-redis was in an earlier measurement, for JSON.
POLARS_ON_IDIOM = 18.3 / 6.9


@dataclass(frozen=True)
class Row:
    """What was measured of one variant of a workload."""

    workload: str
    variant: str
    role: str
    entries: int
    #: Of each timed run.
    seconds: tuple[float, ...]
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
        return statistics.median(self.seconds) if self.by_median else min(self.seconds)

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


def frames(share: float) -> Target:
    """At least this share of the rate of `Stream.frames`."""
    return Target(
        f">= {share:g}x frames",
        share,
        True,
        lambda row, beside: row.rate / beside["frames"].rate if "frames" in beside else None,
    )


def added(share: float) -> Target:
    """At least this share of the rate of `Stream.add_many`."""
    return Target(
        f">= {share:g}x add_many",
        share,
        True,
        lambda row, beside: row.rate / beside["add-many"].rate if "add-many" in beside else None,
    )


def polars(factor: float) -> Target:
    """At least so many times as fast as polars-redis, now or in the earlier measurement."""

    def figure(row: Row, beside: Rows) -> float | None:
        if "polars-redis" in beside:
            return row.rate / beside["polars-redis"].rate
        times = on_idiom(row, beside)
        return None if times is None else times / POLARS_ON_IDIOM

    return Target(f">= {factor:g}x polars-redis", factor, True, figure)


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
