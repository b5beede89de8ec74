"""Figures: what a server says of itself, in words and over time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import pairwise
from typing import NamedTuple

import pandas as pd

from redisnb import cards
from redisnb.durations import duration

__all__ = ["ServerFacts", "ServerHistory", "facts_of"]

#: How many samples are shown over time.
_SAMPLES_SHOWN = 300


class ServerFacts(NamedTuple):
    """What `redisnb.info` says, by name; a fact that a server does not have is missing."""

    texts: Mapping[str, str]

    def number(self, name: str) -> int | None:
        """Return a fact that is a whole number."""
        text = self.texts.get(name, "")
        return int(text) if text.isdigit() else None

    @property
    def about(self) -> str:
        """What the server is, in a line."""
        product = "Valkey" if "valkey_version" in self.texts else "Redis"
        version = self.texts.get("valkey_version") or self.texts.get("redis_version", "")
        parts = [f"{product} {version}".strip()]
        if (up := self.number("uptime_in_seconds")) is not None:
            parts.append(f"up {duration(timedelta(seconds=up))}")
        if role := self.texts.get("role"):
            replicas = self.number("connected_slaves") or 0
            parts.append({"master": "primary", "slave": "replica"}.get(role, role))
            if replicas:
                parts[-1] += f" of {replicas} {'replica' if replicas == 1 else 'replicas'}"
        return " · ".join(parts)

    def figures(self) -> dict[str, str]:
        """Return the figures that matter most, by what they are about."""
        found = {
            "memory": self._share("used_memory", "maxmemory", cards.amount),
            "at its peak": self._amount("used_memory_peak"),
            "clients": self._share("connected_clients", "maxclients", "{:,}".format),
            "waiting": self._count("blocked_clients"),
            "of reads hit": self._hits(),
            "evicted": self._count("evicted_keys"),
            "refused connections": self._count("rejected_connections"),
        }
        # Zero is no news there.
        return {name: text for name, text in found.items() if text not in ("", "0")}

    def _share(self, name: str, limit: str, write: Callable[[int], str]) -> str:
        value, most = self.number(name), self.number(limit)
        if value is None:
            return ""
        return f"{write(value)} of {write(most)}" if most else write(value)

    def _amount(self, name: str) -> str:
        value = self.number(name)
        return "" if value is None else cards.amount(value)

    def _count(self, name: str) -> str:
        value = self.number(name)
        return "" if value is None else f"{value:,}"

    def _hits(self) -> str:
        hits, misses = self.number("keyspace_hits"), self.number("keyspace_misses")
        if hits is None or misses is None or not hits + misses:
            return ""
        return f"{hits / (hits + misses):.0%}"


def facts_of(frame: pd.DataFrame) -> ServerFacts:
    """Return a frame in schema INFO as facts."""
    return ServerFacts(dict(zip(frame["name"], frame["value"], strict=True)))


class _Sample(NamedTuple):
    ms: int
    commands: int | None
    memory: int | None


class ServerHistory:
    """The commands a second and the memory of a server, as far back as is shown."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=_SAMPLES_SHOWN)

    def add(self, facts: ServerFacts, at: pd.Timestamp, *, counts: bool = True) -> None:
        """Add what a server said at a time; commands count unless they are the panel's own."""
        ms = int(at.timestamp() * 1000)
        commands = facts.number("total_commands_processed") if counts else None
        self._samples.append(_Sample(ms, commands, facts.number("used_memory")))

    def lines(self) -> tuple[list[int], list[float | None], list[float | None]]:
        """Return times in ms, the commands a second up to each, and the memory in MB."""
        samples = list(self._samples)
        rates: list[float | None] = [None] * min(1, len(samples))
        for before, now in pairwise(samples):
            rates.append(_commands_rate(before, now))
        memory = [
            None if each.memory is None else round(each.memory / 2**20, 2) for each in samples
        ]
        return [each.ms for each in samples], rates, memory

    @property
    def rate(self) -> float | None:
        """The commands a second between the last two samples."""
        _, rates, _ = self.lines()
        return rates[-1] if rates else None


def _commands_rate(before: _Sample, now: _Sample) -> float | None:
    if before.commands is None or now.commands is None or now.ms <= before.ms:
        return None
    # A server that was started again begins at 0.
    return round(max(0, now.commands - before.commands) * 1000 / (now.ms - before.ms))
