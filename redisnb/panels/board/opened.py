"""OpenedPanels: the panels of a dashboard, of which each was made when it was first shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from redisnb.panels.board.replay_into import ReplayIntoPanel
from redisnb.panels.parts import Box, PartsPanel

__all__ = ["OpenedPanels", "PanelPlace"]

#: The panels of how many streams are kept that were left behind, and have nothing of the user's.
_LEFT_BEHIND = 2


class PanelPlace(NamedTuple):
    """Where a panel is: its tab, and the key of its stream, "" for one of the database."""

    tab: str
    stream: str


class OpenedPanels:
    """The panels that were made so far, by tab and stream.

    Hidden ones live on. Those of streams that were left behind are kept as long as they do
    something or hold what the user typed; of the others those of the last two streams.

    Parameters
    ----------
    pages : mapping of str to Box
        By tab, what holds its panels.
    make : callable
        Makes the panel of a place.
    """

    def __init__(self, pages: Mapping[str, Box], make: Callable[[PanelPlace], PartsPanel]) -> None:
        self._pages, self._make = pages, make
        self._panels: dict[PanelPlace, PartsPanel] = {}
        # The keys of the streams that were shown, the last one at the end.
        self._visited: list[str] = []
        # Guards both: a user may come back to what is about to be closed.
        self._lock = threading.RLock()

    def show(self, place: PanelPlace) -> PartsPanel:
        """Show the panel of a place, which is made if there is none, and hide those beside it."""
        with self._lock:
            if place.stream:
                self._visited = [each for each in self._visited if each != place.stream]
                self._visited.append(place.stream)
            panel = self._panels.get(place)
            if panel is None:
                panel = self._panels[place] = self._make(place)
                self._fill(place.tab)
            for other, each in self._panels.items():
                if other.tab == place.tab:
                    each.root.set(hidden=other != place)
            return panel

    def find(self, place: PanelPlace) -> PartsPanel | None:
        """Return the panel of a place; None if there is none yet."""
        return self._panels.get(place)

    def doing(self) -> dict[PanelPlace, str]:
        """Return what is done by panels, in a word each."""
        found = {place: panel.doing for place, panel in list(self._panels.items())}
        return {place: word for place, word in found.items() if word}

    def targets(self) -> list[str]:
        """Return the keys of the streams to which replays are under way."""
        panels = list(self._panels.values())
        return [each.target for each in panels if isinstance(each, ReplayIntoPanel) and each.doing]

    def close_left(self) -> None:
        """Close the panels of streams that were left behind, with nothing of the user's.

        It waits for what they do in the background.
        """
        with self._lock:
            kept = {"", *self._visited[-1 - _LEFT_BEHIND :]}
            left = {
                place: panel
                for place, panel in self._panels.items()
                if place.stream not in kept and not panel.doing and not panel.is_used
            }
            for place in left:
                del self._panels[place]
            for tab in {place.tab for place in left}:
                self._fill(tab)
            streams = {place.stream for place in self._panels}
            self._visited = [each for each in self._visited if each in streams or each in kept]
        for panel in left.values():
            panel.close()

    def stop(self) -> None:
        """End what all of them do; they stay."""
        for panel in list(self._panels.values()):
            panel.stop()

    def close(self) -> None:
        """Close all of them."""
        for panel in list(self._panels.values()):
            panel.close()

    def _fill(self, tab: str) -> None:
        roots = [panel.root for place, panel in self._panels.items() if place.tab == tab]
        self._pages[tab].fill(*roots)
