"""What a replaying panel shows: its parts, which know no server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from redisnb.panels.parts import (
    Act,
    Action,
    Box,
    Grid,
    Histogram,
    Input,
    JsonTree,
    Label,
    Message,
    Part,
    Slider,
    Strip,
    TakeOut,
    Trouble,
)
from redisnb.panels.replaying.speeds import SPEED_STEPS, nearest_step, speed_words

__all__ = ["BesideBox", "PaceBar", "ReplayingView", "RunBar"]

_POSITION_HINT = "an ID or a time (UTC)"


class PaceBar(Strip):
    """Which range is replayed, and how fast."""

    def __init__(self, acts: dict[str, Act]) -> None:
        self.first = Input("From", hint="the first entry", size=19, on=acts["range"])
        self.last = Input("To", hint="the last entry", size=19, on=acts["range"])
        self.slider = Slider(
            "Speed", list(map(speed_words, SPEED_STEPS)), nearest_step(1), on=acts["slide"]
        )
        self.words = Input("or", "1x", hint="1h in 1min", size=12, on=acts["speed"])
        self.gap = Input("Longest gap", hint="any", size=7, on=acts["speed"])
        super().__init__(*(self.first, self.last, self.slider, self.words, self.gap), look="bar")

    def show_speed(self, speed: float) -> None:
        """Show a speed on the slider."""
        self.slider.show(nearest_step(speed), speed_words(speed))
        self.words.set(error="")

    def refuse(self, *, range: str, speed: str) -> None:
        """Refuse to change the range, or the speed, for a reason; "" lets them be changed."""
        for each in (self.first, self.last):
            each.set(disabled=range)
        for part in (self.slider, self.words, self.gap):
            part.set(disabled=speed)


class RunBar(Strip):
    """What starts, pauses, steps, moves and stops a replay, and how far it is."""

    def __init__(self, acts: dict[str, Act]) -> None:
        self.start = Action("Start", acts["start"], look="primary", tip="After a dry run")
        self.dry = Action("Dry run", acts["dry"], tip="Read it all, and say what would be sent")
        self.pause = Action("Pause", acts["pause"], tip="After this entry; the schedule waits too")
        self.stop = Action("Stop", acts["stop"], tip="After this entry; Continue goes on there")
        self.step = Action("Step", acts["step"], tip="Send the next entries now, and stay paused")
        self.steps = Input("entries", "1", size=4, quiet=True, on=acts["step"])
        self.place = Input("Go to", hint=_POSITION_HINT, size=21, on=acts["seek"])
        self.progress = Label(look="strong", role="status")
        self.waits = Label(look="soft")
        super().__init__(
            *(self.start, self.dry, self.pause, self.stop, self.step, self.steps, self.place),
            *(self.progress, self.waits),
            look="bar",
        )


class BesideBox(Box):
    """An entry as it was, and as it was sent, beside each other."""

    def __init__(self, on_close: Act) -> None:
        self._title = Label(look="strong", role="status")
        self._content = Box()
        close = Action("Close", on_close)
        super().__init__(
            Strip(self._title, Label(look="grow"), close), self._content, look="drawer", hidden=True
        )

    def show(
        self, was: str, now: str, before: Any, after: Any, differing: Sequence[Sequence[str]]
    ) -> None:
        """Show two events; one that is gone, or not at hand, is None."""
        parts: list[Part] = []
        for name, old, new in differing:
            parts.append(Label(name, look="strong"))
            parts += [Label(f"- {old}", look="code", tone="bad")] * bool(old)
            parts += [Label(f"+ {new}", look="code", tone="good")] * bool(new)
        if before is not None and after is not None and not differing:
            parts.append(Label("Its event was sent as it was.", look="soft"))
        for heading, id, event in (("As it was", was, before), ("As it was sent", now, after)):
            parts.append(Label(f"{heading}: {id}", look="strong"))
            missing = Label("It is not there, or cannot be read by its ID.", look="soft")
            parts.append(missing if event is None else JsonTree(heading, event))
        self._title.set(text=f"{was} → {now}")
        self._content.fill(*parts)
        self.set(hidden=False)


class ReplayingView(Box):
    """All parts of the panel.

    Parameters
    ----------
    title, place : str
        From where to where, and on which server.
    acts : mapping of str to callable
        What the user does: "range", "slide", "speed", "dry", "start", "pause", "stop", "step",
        "seek", "brush", "choose".
    frame, python : callable
        What was sent, and the call that does the same.
    """

    def __init__(
        self,
        title: str,
        place: str,
        acts: dict[str, Act],
        *,
        frame: Callable[[], pd.DataFrame],
        python: Callable[[], str],
    ) -> None:
        self.state = Label("ready", look="state", role="status")
        self.trouble = Trouble()
        self.end = Message(tone="good")
        self.pace = PaceBar(acts)
        self.bars = Histogram("Entries over time, of which a range is replayed", on=acts["brush"])
        self.plan = Label(look="soft", role="status")
        self.late = Label(look="soft")
        self.run = RunBar(acts)
        self.grid = Grid(
            "Sent last",
            key="added_id",
            filters=False,
            empty="Nothing was sent yet: Start sends, after a dry run.",
            on=acts["choose"],
        )
        self.beside = BesideBox(self._close)
        self.caption = Label(look="soft")
        self.out = TakeOut("Sent", frame=frame, python=python, name="sent", trouble=self.trouble)
        self.bars.set(hidden=True)
        about, grow = Label(place, look="soft"), Label(look="grow")
        super().__init__(
            Strip(Label(title, look="title"), about, grow, self.state, look="head"),
            *(self.trouble, self.end, self.pace, self.bars),
            Strip(self.plan, Label(look="grow"), self.late, look="under"),
            self.run,
            Box(self.grid, self.beside, look="split"),
            Strip(self.caption, Label(look="grow"), self.out, look="foot"),
            look="main",
        )

    def offer(self, refusals: Mapping[str, str], *, begun: str, is_paused: bool) -> None:
        """Offer what can be done now.

        Parameters
        ----------
        refusals : mapping of str to str
            By "start", "pause", "stop" and "step", why it cannot be done: "" if it can, and "-"
            where it makes no sense now.
        begun : str
            What the button that starts is called.
        is_paused : bool
        """
        buttons = {
            "start": self.run.start,
            "pause": self.run.pause,
            "stop": self.run.stop,
            "step": self.run.step,
        }
        for name, button in buttons.items():
            why = refusals[name]
            button.set(hidden=why == "-", disabled="" if why == "-" else why)
        self.run.dry.set(hidden=refusals["start"] == "-")
        self.run.steps.set(hidden=refusals["step"] == "-")
        self.run.place.set(hidden=refusals["step"] == "-")
        self.run.start.set(label=begun)
        self.run.pause.set(label="Continue" if is_paused else "Pause")
        self.run.pause.set(look="primary" if is_paused else "plain")

    def show_state(self, state: str) -> None:
        """Show the state in a word."""
        tones = {"running": "good", "finished": "good", "failed": "bad", "incomplete": "warn"}
        tones |= dict.fromkeys(
            ("paused", "connecting", "reconnecting", "reading", "stopping"), "warn"
        )
        self.state.set(text=state, tone=tones.get(state, ""))

    def _close(self) -> None:
        self.beside.set(hidden=True)
        self.grid.set(chosen=None)
