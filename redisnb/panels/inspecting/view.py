"""The parts of a ServerPanel: figures, lines over time, findings and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from redisnb.panels.parts import (
    Act,
    Action,
    Box,
    Chart,
    Grid,
    Label,
    Message,
    Part,
    Strip,
    TakeOut,
    Trouble,
    Views,
)

__all__ = ["CLIENT_LIST", "FACTS", "FINDINGS_VIEW", "SLOW_LOG", "FindingList", "ServerView"]

FINDINGS_VIEW, CLIENT_LIST, SLOW_LOG, FACTS = "findings", "clients", "slowlog", "info"
_TONE_OF = {"error": "bad", "warning": "warn", "note": ""}
#: How many findings are shown; all are in the frame.
_MOST_FINDINGS = 50


class Figures(Strip):
    """Numbers with what they are about."""

    def __init__(self) -> None:
        super().__init__(look="figures")
        self._labels: dict[str, Label] = {}

    def show(self, figures: Mapping[str, str]) -> None:
        """Show figures by what they are about."""
        for name, text in figures.items():
            self._labels.setdefault(name, Label(look="strong")).set(text=text)
        if [each["label"] for each in self.children if isinstance(each, _Figure)] != [*figures]:
            self.fill(*[_Figure(name, self._labels[name]) for name in figures])


class _Figure(Box):
    def __init__(self, name: str, value: Label) -> None:
        super().__init__(value, Label(name, look="soft"))
        self.props["label"] = name


class FindingList(Box):
    """What is wrong, worst first, each with the call that shows or mends it."""

    def __init__(self) -> None:
        self._empty = Label("The server has not been examined yet.", look="soft")
        super().__init__(Box(self._empty, look="empty"), look="scroll")

    def show(self, findings: pd.DataFrame, copy: Callable[[str], Act]) -> None:
        """Show a frame in schema FINDINGS; `copy` returns what copies a remedy."""
        parts: list[Part] = []
        columns = ("severity", "about", "finding", "evidence", "remedy")
        rows = [findings[name].head(_MOST_FINDINGS).fillna("").tolist() for name in columns]
        for severity, about, finding, evidence, remedy in zip(*rows, strict=True):
            call = Label(remedy, look="code")
            button = Action("Copy", copy(remedy), tip="Copy the call that shows or mends it")
            message = Message(
                *([call, button] if remedy else []),
                subject=about,
                text=f"{finding}\n{evidence}".strip(),
                tone=_TONE_OF[severity],
            )
            parts.append(message)
        if len(findings) > _MOST_FINDINGS:
            more = f"{len(findings):,} findings; the first {_MOST_FINDINGS} are shown."
            parts.append(Box(Label(more, look="soft"), look="empty"))
        if not parts:
            self._empty.set(text="Nothing was found to be wrong.")
            parts = [Box(self._empty, look="empty")]
        self.fill(*parts)


class ServerView(Box):
    """All parts of the panel."""

    def __init__(self, name: str, take_out: Callable[[Trouble], TakeOut]) -> None:
        self.about = Label(look="soft")
        self.state = Label(look="state", role="status")
        self.trouble = Trouble()
        self.figures = Figures()
        self.commands = Chart("Commands", unit="commands/s")
        self.memory = Chart("Memory", unit="MB")
        self.findings = FindingList()
        self.clients = Grid("Clients", key="id", amounts=["memory"])
        self.slow_log = Grid(
            "Slow commands", key="id", empty="No command was slow since the log was cleared."
        )
        self.facts = Grid("Facts", key="name")
        parts = {
            FINDINGS_VIEW: self.findings,
            CLIENT_LIST: self.clients,
            SLOW_LOG: self.slow_log,
            FACTS: self.facts,
        }
        texts = ("Findings", "Clients", "Slow log", "All facts")
        self.views = Views("Server", [*zip(parts, texts, strict=True)], parts)
        self.caption = Label(look="soft", role="status")
        self.examine = Action("Examine again", tip="doctor(conn): about 5 seconds, reads only")
        self.watch = Action("Stop", tip="Ask no further; what is shown stays")
        take = take_out(self.trouble)
        title = Label("Server", look="title")
        super().__init__(
            Strip(
                title,
                Label(name, look="soft"),
                self.about,
                Label(look="grow"),
                self.state,
                look="head",
            ),
            self.trouble,
            self.figures,
            Box(self.commands, self.memory, look="pair"),
            self.views,
            *parts.values(),
            Strip(self.caption, Label(look="grow"), self.examine, self.watch, take, look="foot"),
            look="main",
        )
