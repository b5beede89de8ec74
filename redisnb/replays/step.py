"""One batch of a replay as one atomic step of the server: its entries, and the new checkpoint.

It is a script, not MULTI and EXEC, which continue after an error and have no condition. Here
nothing follows an entry that is refused, and nothing is added if the checkpoint is not the expected
one: another replay of that name has moved on, or the server has lost it along with the entries.

The bookmark of a replay is a hash, ``redisnb:replay:<name>``, on the target's server:

======== ==========================================================================================
field    value
======== ==========================================================================================
plan     JSON: what is replayed, see `replay`; no other replay may continue here
position JSON: ``read``, for each source its streams' last entries; ``last``, the last explicit
         IDs, by target; ``count``, how many entries; ``missed``, how many were removed unread
state    "running", "finished" or "incomplete"
======== ==========================================================================================
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, repeat
from typing import Any, TypeAlias

import orjson
import redis

from redisnb.entries import EntryId, Fields
from redisnb.errors import ReplayError, code, explain, is_transient, option

__all__: list[str] = []

#: The most entries of a batch, and the most bytes if it has more than one: until it is done, the
#: server serves no other client. As many of usual size fit into a socket's buffer without a wait.
STEP_ENTRIES, STEP_BYTES = 500, 2 * 1024 * 1024
#: How many of the last IDs a report can show.
MOST_IDS = 100_000
#: The most names and values of an entry: Lua cannot pass a command more than 8,000 arguments.
MOST_PARTS = 7000

# The error codes of a server that refuses everything for the moment.
_LATER = frozenset({"BUSY", "CLUSTERDOWN", "LOADING", "MASTERDOWN", "TRYAGAIN"})
# The prefix of Redis 6.2 for the error of a command that a script cannot call at the moment.
_WRAPPED = re.compile(r"^@user_script: ?\d+: ?-?|^-")

# The bookmark is written first, so that a refusal comes before an entry is added and not after it.
# A script gets an out-of-memory error at its first write only.
_SCRIPT = """\
local resumed, expected, plan, position, moves_json, state = unpack(ARGV, 1, 6)
local function failed(reply) return type(reply) == 'table' and reply.err end
if resumed == '1' then
  local stored = redis.pcall('HGET', KEYS[1], 'position')
  if failed(stored) then return {'bookmark', {}, stored.err} end
  if (stored or '') ~= expected then return {'moved', {}, stored or ''} end
  local written = redis.pcall('HSET', KEYS[1], 'plan', plan)
  if failed(written) then return {'bookmark', {}, written.err} end
end
local function add(key, known, id, first, last)
  local reply
  if known == '1' then
    reply = redis.pcall('XADD', key, 'NOMKSTREAM', id, unpack(ARGV, first, last))
    if not reply then return nil, 'gone', '' end
  else
    reply = redis.pcall('XADD', key, id, unpack(ARGV, first, last))
  end
  if not failed(reply) then return reply end
  if id == '*' then return nil, 'refused', reply.err end
  local found = redis.pcall('XRANGE', key, id, id)
  if failed(found) then return nil, 'refused', reply.err end
  if not found[1] then
    return nil, string.find(reply.err, 'equal or smaller') and 'ahead' or 'refused', reply.err
  end
  local fields = found[1][2]
  if #fields ~= last - first + 1 then return nil, 'other', reply.err end
  for n, part in ipairs(fields) do
    if part ~= ARGV[first + n - 1] then return nil, 'other', reply.err end
  end
  return ''
end
local ids, outcome, reason = {}, 'done', ''
local i, n, most = 7, 0, #ARGV
-- Runs of entries for one stream with the same number of parts: their header is read once.
while i < most and outcome == 'done' do
  local key, known = KEYS[tonumber(ARGV[i])], ARGV[i + 1]
  local parts, left = tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3])
  i = i + 4
  while left > 0 do
    local id, why, text = add(key, known, ARGV[i], i + 1, i + parts)
    if not id then
      outcome, reason = why, text
      break
    end
    -- From here to the end of this script it exists.
    known = '0'
    n = n + 1
    ids[n] = id
    i = i + parts + 1
    left = left - 1
  end
end
if resumed == '1' and (n > 0 or outcome == 'done') then
  if outcome ~= 'done' then
    local now = cjson.decode(expected == '' and '{"read":[],"last":{},"count":0}' or expected)
    local moves = cjson.decode(moves_json)
    for k = 1, n do
      local index, key, target = unpack(moves.origins[moves.of and moves.of[k] or 1])
      while #now.read <= index do table.insert(now.read, {}) end
      now.read[index + 1][key] = moves.ids[k]
      if moves.new_ids then now.last[target] = moves.new_ids[k] end
    end
    now.count = now.count + n
    position = cjson.encode(now)
  end
  redis.call('HSET', KEYS[1], 'position', position, 'state', state)
end
return {outcome, ids, reason, position}
"""


class Origin:
    """One stream of one source.

    Attributes
    ----------
    index : int
        The number of the source among those of the replay.
    key : str
        The stream's key.
    target : str
        The key of the stream that its entries go to.
    """

    __slots__ = ("index", "key", "target")

    def __init__(self, index: int, key: str, target: str) -> None:
        self.index, self.key, self.target = index, key, target


#: An entry on its way: where it comes from, its ID there, and its fields.
Item: TypeAlias = tuple[Origin, bytes, Fields]
#: The key of an entry's stream, its ID there, the target's key, and the ID there, if it is known.
Copied: TypeAlias = tuple[str, bytes, str, bytes | None]


@dataclass(frozen=True)
class Checkpoint:
    """How far a replay has come.

    Attributes
    ----------
    read : tuple of mappings of key to ID
        For each source, the last entry of each stream.
    last : mapping of key to ID
        The last explicit IDs, by target, where the replay assigns IDs.
    count : int
        How many entries.
    missed : int
        How many entries of the sources were removed before they were read.
    stored : str
        Its text in the bookmark; "" at the beginning, and without a bookmark.
    """

    read: tuple[Mapping[str, str], ...]
    last: Mapping[str, str] = field(default_factory=dict)
    count: int = 0
    missed: int = 0
    stored: str = ""

    @classmethod
    def of(cls, stored: str, sources: int) -> Checkpoint:
        """Return the checkpoint of a bookmark's text, for so many sources.

        Raises
        ------
        ValueError
            If the text is no checkpoint.
        """
        if not stored:
            return cls(({},) * sources)
        try:
            found = json.loads(stored)
            # An empty Lua table becomes {} in the server's JSON, also where it should be a list.
            read = [dict(each) for each in found["read"]]
            for id in (*(id for each in read for id in each.values()), *found["last"].values()):
                EntryId(id)
            read += [{}] * (sources - len(read))
            last, missed = dict(found["last"]), int(found.get("missed", 0))
            return cls(tuple(read), last, int(found["count"]), missed, stored)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{stored!r} is not the checkpoint of a replay") from error


def checkpoint_after(
    checkpoint: Checkpoint,
    items: Sequence[Item],
    new_ids: Sequence[str] | None,
    *,
    missed: int,
    bookmarked: bool,
) -> Checkpoint:
    """Return the checkpoint after some more entries.

    Parameters
    ----------
    place : Checkpoint
    items : sequence of Item
    given : sequence of str, optional
        Their IDs in the target; without them the server generates IDs.
    missed : int
        How many entries were missed so far.
    bookmarked : bool
        Whether a bookmark will store it.
    """
    read = [dict(each) for each in checkpoint.read]
    for origin, id in {origin: id for origin, id, _ in items}.items():
        read[origin.index][origin.key] = id.decode()
    last = dict(checkpoint.last)
    if new_ids is not None:
        last |= {item[0].target: id for item, id in zip(items, new_ids, strict=True)}
    count = checkpoint.count + len(items)
    stored = {"read": read, "last": last, "count": count, "missed": missed}
    text = orjson.dumps(stored).decode() if bookmarked else ""
    return Checkpoint(tuple(read), last, count, missed, text)


def step_command(
    items: Sequence[Item],
    new_ids: Sequence[str] | None,
    *,
    known: Container[str] = (),
    bookmark: str | None = None,
    plan: str = "",
    before: str = "",
    after: str = "",
    state: str = "running",
) -> list[Any]:
    """Return the command that adds entries, and moves the bookmark if there is one.

    Streams in `known` have to exist; others are made.

    The reply is the outcome; for each entry that is in the target now its ID, or "" if the same
    entry was there before; the server's error; and the bookmark's position.
    """
    first = 1 if bookmark is None else 2
    keys, arguments = _runs(items, new_ids, known, first)
    if bookmark is None:
        return ["EVAL", _SCRIPT, len(keys), *keys, "0", "", "", "", "", "", *arguments]
    return [
        *("EVAL", _SCRIPT, 1 + len(keys), bookmark, *keys),
        *("1", before, plan, after, orjson.dumps(_moves(items, new_ids)), state),
        *arguments,
    ]


def _runs(
    items: Sequence[Item], new_ids: Sequence[str] | None, known: Container[str], first: int
) -> tuple[list[str], list[Any]]:
    """Return the targets' keys, numbered from `first`, and the entries, run by run."""
    keys: dict[str, int] = {}
    arguments: list[Any] = []
    ids = iter(repeat(b"*") if new_ids is None else new_ids)
    kinds = [(origin.target, len(fields)) for origin, _, fields in items]
    start = 0
    for (target, parts), run in groupby(kinds):
        stop = start + len(list(run))
        number = keys.setdefault(target, first + len(keys))
        arguments += (number, int(target in known), parts, stop - start)
        for (_, _, fields), id in zip(items[start:stop], ids, strict=False):
            arguments += (id, *fields)
        start = stop
    return list(keys), arguments


def _moves(items: Sequence[Item], new_ids: Sequence[str] | None) -> dict[str, Any]:
    """Return what came from where, for the bookmark of a batch that ends early."""
    # Numbered, since there is usually one.
    origins = {origin: n for n, origin in enumerate({item[0]: None for item in items}, 1)}
    moves: dict[str, Any] = {
        "origins": [(origin.index, origin.key, origin.target) for origin in origins],
        "ids": [item[1].decode() for item in items],
    }
    if len(origins) > 1:
        moves["of"] = [origins[item[0]] for item in items]
    if new_ids is not None:
        moves["new_ids"] = list(new_ids)
    return moves


class Counts:
    """What became of the entries of a replay, in numbers.

    Attributes
    ----------
    added, skipped, unknown, failed : int
        As for `Report`.
    recent : deque of (str, bytes, str, bytes or None)
        Of the last entries where they come from, their ID there, and the one in the target; None
        for an entry that is unknown.
    """

    def __init__(self) -> None:
        self.added = self.skipped = self.unknown = self.failed = 0
        self.recent: deque[Copied] = deque(maxlen=MOST_IDS)
        # The stream and the ID of each entry that may have been added without a reply.
        self._maybe: set[tuple[str, str]] = set()

    def take(
        self, items: Sequence[Item], new_ids: Sequence[str] | None, found: Sequence[bytes]
    ) -> None:
        """Note the IDs of entries in the target; "" where the same one was there before."""
        if new_ids is None or (all(found) and not self._maybe):
            self.added += len(found)
            self.copied(items, found)
            return
        for (origin, old, _), new, id in zip(items, new_ids, found, strict=False):
            sent_before = (origin.target, new) in self._maybe
            self._maybe.discard((origin.target, new))
            if id or sent_before:
                self.added += 1
                self.recent.append((origin.key, old, origin.target, new.encode()))
            else:
                self.skipped += 1

    def doubt(self, items: Sequence[Item], new_ids: Sequence[str]) -> None:
        """Note that entries may be there; they are sent again under the same IDs."""
        self._maybe |= {(item[0].target, id) for item, id in zip(items, new_ids, strict=True)}

    def lose(self, items: Sequence[Item]) -> None:
        """Note that entries may be there; they are not sent again."""
        self.unknown += len(items)
        self.copied(items, [None] * len(items))

    def copied(self, items: Sequence[Item], new_ids: Iterable[bytes | None]) -> None:
        """Note which IDs entries have in the target."""
        self.recent.extend(
            (origin.key, id, origin.target, new)
            for (origin, id, _), new in zip(items, new_ids, strict=False)
        )

    def forget(self, count: int) -> None:
        """Note that the server has lost the last `count` entries."""
        for _ in range(min(count, len(self.recent))):
            self.recent.pop()


def comes_later(error: redis.ResponseError) -> bool:
    """Return whether the server refuses everything for the moment."""
    return code(error) in _LATER


def may_pass(error: Exception) -> bool:
    """Return whether to try again; not every refusal that passes does so soon."""
    if isinstance(error, redis.ResponseError):
        return comes_later(error)
    return is_transient(error)


def plain_reason(reason: bytes) -> str:
    """Return the server's error without the prefix of a script."""
    return _WRAPPED.sub("", reason.decode(errors="replace"))


def is_ahead(stored: str, checkpoint: Checkpoint) -> bool:
    """Return whether a bookmark's position lies after `checkpoint`."""
    try:
        return Checkpoint.of(stored, 0).count > checkpoint.count
    except ValueError:
        # It is no longer a bookmark, which reading it again will tell.
        return False


def overtaken_error(bookmark: str) -> ReplayError:
    """Return the error for another replay of the same name that is running."""
    return ReplayError(
        f"{bookmark!r} has moved on without this replay: another one of the same name is "
        "running; this one has ended, and nothing was added twice"
    )


def refusal_error(outcome: str, text: str, item: Item, new: str) -> Exception:
    """Return the error for the entry that ended a batch; `new` is its ID in the target."""
    origin, id, _ = item
    entry = f"entry {id.decode()} of {origin.key!r}"
    if outcome == "refused":
        error = explain(redis.ResponseError(text), origin.target)
        error.add_note(f"it was {entry}, for {origin.target!r}; nothing after it was sent")
        return error
    if outcome == "other":
        why = f"there is another entry with the ID {new}"
    else:
        why = f"it has no entry {new}, and larger IDs already"
    return ReplayError(
        f"{entry} cannot go to {origin.target!r}: {why}; nothing after it was sent. "
        f"{option('ids', 'new')} adds it at the end, {option('where')} or {option('start')} leaves "
        "it out, or take another target"
    )
