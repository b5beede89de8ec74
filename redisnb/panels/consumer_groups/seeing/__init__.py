"""What a panel of groups sees: which groups there are, how they are, and of one of them more."""

from redisnb.panels.consumer_groups.seeing.history import TimeLines
from redisnb.panels.consumer_groups.seeing.looking import GroupsSeen
from redisnb.panels.consumer_groups.seeing.ranking import GroupName, GroupRank, ranked_groups
from redisnb.panels.consumer_groups.seeing.reading import ENTRIES_LISTED, GroupLook, LookRequest
from redisnb.panels.consumer_groups.seeing.sources import GroupsSource

__all__ = [
    "ENTRIES_LISTED",
    "GroupLook",
    "GroupName",
    "GroupRank",
    "GroupsSeen",
    "GroupsSource",
    "LookRequest",
    "TimeLines",
    "ranked_groups",
]
