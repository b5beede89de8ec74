"""What a panel of groups shows: its parts, which know no server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from redisnb.panels.consumer_groups.bars import (
    ConsumerBar,
    LettersBar,
    NewGroupForm,
    PendingFilter,
    PositionForm,
    SettleBar,
)
from redisnb.panels.consumer_groups.seeing import GroupName, GroupRank, TimeLines
from redisnb.panels.details import EntryDetails
from redisnb.panels.parts import (
    Act,
    Action,
    Box,
    Chart,
    Confirmation,
    Grid,
    Input,
    Label,
    ListBox,
    ListItem,
    Menu,
    Message,
    Strip,
    TakeOut,
    Trouble,
    Views,
)

__all__ = ["NEVER", "FindingText", "GroupsLayout", "key_of", "selection_of"]

#: How often "off" reads: never.
NEVER = "off"
#: How many groups are listed, and from how many on they can be sought.
_MOST_LISTED, _SOUGHT_FROM = 200, 8
#: How many findings are shown at first.
_FIRST_FINDINGS = 2
_TABS = [
    ("pending", "Pending"),
    ("consumers", "Consumers"),
    ("letters", "Dead letters"),
    ("position", "Position"),
]


class FindingText(NamedTuple):
    """A finding, how bad it is, and the button that mends it; an empty label is none."""

    key: str
    tone: str
    text: str
    label: str
    act: Act | None
    refused: str


class _Findings(Box):
    """What holds the group up, the worst on top, each with the button that mends it."""

    def __init__(self) -> None:
        self.confirm = Confirmation()
        self._messages: dict[str, Message] = {}
        self._actions: dict[str, Action] = {}
        self._shows_all = False
        self._more = Action("", self._show_more, tip="Show all that was found")
        self._found: Sequence[FindingText] = ()
        super().__init__(self.confirm)

    def show(self, found: Sequence[FindingText]) -> None:
        """Show findings; a button stays the same for what it mends."""
        self._found = found
        shown = found if self._shows_all else found[:_FIRST_FINDINGS]
        messages = [self._message(each) for each in shown]
        rest = len(found) - len(shown)
        self._more.set(label=f"{rest} more")
        for at, message in enumerate(messages):
            is_last = rest > 0 and at == len(messages) - 1
            message.fill(message.children[0], *([self._more] if is_last else []))
        self.fill(*messages, self.confirm)

    def forget(self) -> None:
        """Show nothing: another group is open."""
        self._shows_all = False
        self._messages, self._actions = {}, {}
        self.confirm.cancel()
        self.show(())

    def _message(self, found: FindingText) -> Message:
        message = self._messages.get(found.key)
        if message is None:
            action = self._actions[found.key] = Action(found.label)
            message = self._messages[found.key] = Message(action)
        self._actions[found.key].on = found.act
        self._actions[found.key].set(
            label=found.label, hidden=not found.label, disabled=found.refused
        )
        message.say(found.text, tone=found.tone)
        return message

    def _show_more(self) -> None:
        self._shows_all = True
        self.show(self._found)


class _GroupList(Box):
    """The groups, the worst on top."""

    def __init__(self, title: str) -> None:
        self.state = Label("connecting", look="state", role="status")
        self.find = Input("Find a group", hint="Find a group", quiet=True, live=True)
        self.list = ListBox("Groups")
        self.new = Action("New group")
        self.new.set(expanded=False)
        self._items: dict[GroupName, ListItem] = {}
        self._left = Label(look="soft")
        head = Strip(Label(title, look="name"), Label(look="grow"), self.state)
        super().__init__(head, self.find, self.list, self._left, Strip(self.new), look="side")

    def show(
        self,
        ranks: Sequence[GroupRank],
        points: Callable[[GroupName], list[int]],
        opened: GroupName | None,
        *,
        is_one: bool,
    ) -> None:
        """Show groups under what they need."""
        text = self.find["value"].strip().casefold()
        self.find.set(hidden=len(ranks) < _SOUGHT_FROM and not text)
        found = [
            each for each in ranks if text in f"{each.name.stream} {each.name.group}".casefold()
        ]
        shown = found[:_MOST_LISTED]
        groups: dict[str, list[ListItem]] = {"Needs a look": [], "Groups": []}
        for rank in shown:
            item = self._items.setdefault(rank.name, ListItem(key_of(rank.name)))
            name = rank.name.group if is_one else f"{rank.name.group} · {rank.name.stream}"
            item.set(name=name, value=f"{rank.waiting:,}", tone=rank.tone)
            item.set(why=f"{name}: {rank.why}", points=points(rank.name))
            groups["Groups" if rank.tone == "good" else "Needs a look"].append(item)
        left = len(ranks) - len(shown)
        self._left.set(text=f"{left:,} more" if left else "", hidden=not left)
        self.list.show(groups)
        self.list.choose(None if opened is None else key_of(opened))


class GroupsLayout(Box):
    """The parts of a panel of groups.

    Parameters
    ----------
    title : str
        What is looked at.
    consumer : str
        The name as which entries are claimed.
    acts : mapping of str to callable
        What the buttons do: "preview", "create", "every", "refresh", and "select", which is called
        when rows were selected.
    streams : sequence of str
        Where a group can be created.
    frame, python : callable
        What is shown, and the calls that make the same.
    """

    def __init__(
        self,
        title: str,
        consumer: str,
        acts: Mapping[str, Act],
        *,
        streams: Sequence[str],
        frame: Callable[[], pd.DataFrame],
        python: Callable[[], str],
    ) -> None:
        self.trouble = Trouble()
        self.groups = _GroupList(title)
        self.new = NewGroupForm(acts["create"], streams)
        self.head = _Head(acts)
        self.findings = _Findings()
        self.charts = _Charts()
        self.filter, self.settle = PendingFilter(), SettleBar(consumer)
        on_select = acts["select"]
        self.pending = Grid("Pending entries", key="entry_id", on_select=on_select)
        self.consumers = Grid("Consumers", key="consumer", filters=False)
        self.consumer_bar = ConsumerBar()
        self.letters = Grid("Dead letters", key="entry_id", on_select=on_select)
        self.letters_bar = LettersBar()
        self.position = PositionForm(acts["preview"])
        self.details = EntryDetails()
        self.caption, self.answer = Label(look="soft"), Label(role="status", tone="good")
        pages = {
            "pending": Box(self.filter, self.pending, self.settle, look="stack"),
            "consumers": Box(self.consumers, self.consumer_bar, look="stack"),
            "letters": Box(self.letters, self.letters_bar, look="stack"),
            "position": self.position,
        }
        self.tabs = Views("Of the group", _TABS, pages)
        out = TakeOut("Rows", frame=frame, python=python, name="pending", trouble=self.trouble)
        self.group = Box(
            self.findings,
            self.charts,
            self.tabs,
            Box(Box(*pages.values(), look="stack"), self.details, look="split"),
            Strip(self.caption, self.answer, Label(look="grow"), out, look="foot"),
            look="stack",
        )
        self.none = Label(look="empty", role="status")
        main = Box(self.head, self.trouble, self.new, self.none, self.group, look="main")
        super().__init__(self.groups, main, look="page")

    def show_tab_counts(self, pending: int, consumers: int) -> None:
        """Show how much is behind the tabs."""
        counts = {"pending": f" {pending:,}", "consumers": f" {consumers:,}"}
        self.tabs.offer([(tab, text + counts.get(tab, "")) for tab, text in _TABS])


class _Head(Strip):
    """The open group in a line, and how often it is read."""

    def __init__(self, acts: Mapping[str, Act]) -> None:
        self.title, self.about = Label(look="title"), Label(look="soft")
        every = [(NEVER, "off"), *((str(n), f"every {n} s") for n in (1, 2, 5, 10))]
        self.every = Menu("Refresh", every, value="2", on=acts["every"])
        self.refresh = Action("Now", acts["refresh"], tip="Read everything again")
        super().__init__(
            *(self.title, self.about, Label(look="grow"), self.every, self.refresh),
            look="head",
        )


class _Charts(Box):
    """How far behind the group is, in entries and in time, over time."""

    def __init__(self) -> None:
        self._entries = Chart("Behind, in entries", unit="entries")
        self._time = Chart("Behind, in time", unit="s")
        super().__init__(self._entries, self._time, look="pair")

    def show(self, lines: TimeLines) -> None:
        """Show the lines of a group."""
        self._entries.show(lines.times, lines.entries)
        self._time.set(unit=lines.unit)
        self._time.show(lines.times, lines.spans)


def key_of(name: GroupName) -> str:
    """Return what tells a group from all others in the list."""
    return "\n".join(name)


def selection_of(grid: Grid) -> pd.DataFrame:
    """Return the selected rows of a table; where none are, the one that is chosen."""
    rows = grid.selected_rows()
    return rows if len(rows) else grid.chosen_row()
