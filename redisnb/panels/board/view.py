"""What the dashboard shows: its parts, which know no server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redisnb.panels.parts import (
    Act,
    Action,
    Box,
    Input,
    Label,
    ListBox,
    ListItem,
    Message,
    Strip,
    Trouble,
    Views,
)

__all__ = ["DATABASE_TABS", "TABS", "BoardView", "StreamList"]

TABS = [
    ("browse", "Browse"),
    ("live", "Live"),
    ("groups", "Groups"),
    ("publish", "Publish"),
    ("replay", "Replay"),
    ("keys", "Keys"),
    ("server", "Server"),
]
#: The tabs that are about the database, whichever stream is chosen.
DATABASE_TABS = ("keys", "server")
#: Where a stream's groups are shown already, or where it is not about the stream.
_WITHOUT_FINDING = ("groups", *DATABASE_TABS)


class StreamList(Box):
    """The place, a field that finds, and the list.

    Parameters
    ----------
    place : str
        The server and the database.
    read_only : bool
        Whether nothing can be changed there.
    acts : mapping of str to callable
        What the user does: "find", "enter", "choose", "refresh".
    """

    def __init__(self, place: str, acts: Mapping[str, Act], *, read_only: bool) -> None:
        self.state = Label(place, look="state")
        self.find = Input(
            "Find or open a stream",
            hint="Find or open a stream   /",
            quiet=True,
            live=True,
            on=acts["find"],
            on_enter=acts["enter"],
        )
        self.list = ListBox("Streams and keys", on=acts["choose"])
        self.caption = Label(look="soft", role="status")
        head = [self.state, *([Label("read-only", look="pill", tone="warn")] if read_only else [])]
        refresh = Action("Look again", acts["refresh"], tip="Read all streams and prefixes again")
        super().__init__(
            Strip(*head),
            self.find,
            self.list,
            Strip(self.caption, Label(look="grow"), refresh, look="under"),
            look="side",
        )
        self._items: dict[str, ListItem] = {}

    def item(self, key: str) -> ListItem:
        """Return the line with a key: the same as before, if it was there."""
        return self._items.setdefault(key, ListItem(key))

    def listed(self) -> list[str]:
        """Return the keys of the lines, from top to bottom."""
        return list(self._items)

    def show(self, groups: Mapping[str, Sequence[ListItem]]) -> None:
        """Show lines under their headings, and forget the others."""
        self._items = {each["key"]: each for items in groups.values() for each in items}
        self.list.show(groups)


class BoardView(Box):
    """All parts of the dashboard.

    Parameters
    ----------
    place, read_only
        As for `StreamList`.
    acts : mapping of str to callable
        Also "tab" and "finding".
    """

    def __init__(self, place: str, acts: Mapping[str, Act], *, read_only: bool) -> None:
        self.side = StreamList(place, acts, read_only=read_only)
        self.title, self.about = Label(look="title"), Label(look="soft")
        self.trouble = Trouble()
        self.finding = Message(Action("Show them", acts["finding"]), tone="warn")
        #: By tab, what holds its panels.
        self.pages = {tab: Box(look="grow") for tab, _ in TABS}
        self.tabs = Views("Panels", TABS, self.pages, on=acts["tab"])
        self.none = Label(look="empty", role="status")
        main = Box(
            Strip(self.title, self.about, look="head"),
            *(self.finding, self.tabs, self.trouble, self.none),
            *self.pages.values(),
            look="main",
        )
        super().__init__(self.side, main, look="page")

    @property
    def tab(self) -> str:
        """The tab that is shown."""
        shown: str = self.tabs["value"]
        return shown

    def show_head(self, title: str, facts: str) -> None:
        """Show what the tabs are about."""
        self.title.set(text=title)
        self.about.set(text=facts)

    def show_finding(self, subject: str, text: str, tone: str) -> None:
        """Show the group that needs a look most, where the tab does not show it itself."""
        is_shown = bool(text) and self.tab not in _WITHOUT_FINDING
        self.finding.say(text if is_shown else "", subject=subject, tone=tone)

    def show_badges(self, stuck: int, doing: Mapping[str, str]) -> None:
        """Show at the tabs what runs there, and how many groups are stuck."""
        badges: dict[str, list[str]] = {tab: [word, "good"] for tab, word in doing.items()}
        if stuck:
            badges["groups"] = [f"{stuck:,} stuck", "bad"]
        self.tabs.offer([[tab, text, *badges.get(tab, [])] for tab, text in TABS])

    def show_none(self, text: str) -> None:
        """Show what to do where there is no panel; without a text, nothing."""
        self.none.set(text=text, hidden=not text)
