"""Entries to the dead letters, and back: each in one step of the server.

What is said to the server are conversations, see `wire`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from redisnb.entries import as_text
from redisnb.errors import RedisnbError
from redisnb.stream.groups.pending import GIVEN_BACK
from redisnb.stream.key import dead_letters_key
from redisnb.wire import Conversation

__all__ = ["HEAD", "NAMES", "Outcome", "bury_held", "bury_idle", "redrive"]

# The error's type alone: its message could hold a secret, and would lie in a shared database.
NAMES = tuple(
    b"dead:" + name.encode()
    for name in ("stream", "id", "group", "consumer", "deliveries", "error", "redrives")
)
HEAD = 2 * len(NAMES)
#: How many letters one script moves: the server serves nobody else meanwhile.
BATCH = 100
# Lua hands a command no more than 8,000 arguments.
_MOST_PARTS = 7000
_REMEMBERED = 30 * 24 * 60 * 60  # seconds


class Outcome(NamedTuple):
    """What became of each of some entries or letters.

    Attributes
    ----------
    entry_ids : list of (bytes or None)
        The ID that each has in the stream that it was moved to, None where it was not.
    wrong : dict of int to (status, reason)
        Why, by position.
    """

    entry_ids: list[bytes | None]
    wrong: dict[int, tuple[str, str]]

    def take(
        self, ids: Sequence[str], results: Sequence[Any], reasons: Mapping[str, str], **names: str
    ) -> None:
        """Add what a script says of each ID."""
        for id, (what, *more) in zip(ids, results, strict=True):
            if what != b"added":
                reason = reasons[what.decode()].format(*map(as_text, more), id=id, **names)
                self.wrong[len(self.entry_ids)] = "failed", reason
            self.entry_ids.append(more[0] if what == b"added" else None)


def _script(body: str) -> str:
    """Return a script that ends at the first command that fails, with that command's error."""
    names = ", ".join(f"'{name.decode()}'" for name in NAMES)
    return _FRAME.replace("NAMES", names).replace("BODY", body)


# `redis.call` would do, but Redis 6.2 then wraps the error's text into another one.
_FRAME = """\
local names = {NAMES}
local failure
local function ask(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'table' and reply.err then
    -- Redis 6.2 puts the place in the script before a refusal such as OOM.
    local text = string.match(reply.err, '^@user_script: %d+: %-(.+)$')
    failure = text and redis.error_reply(text) or reply
    -- What is known to help with this error would be said of the stream.
    if key ~= KEYS[1] and string.find(reply.err, '^WRONGTYPE') then
      failure = redis.error_reply('ERR ' .. key .. ' belongs to the dead letters of ' .. KEYS[1]
        .. ' and holds another type of value; rename it')
    end
    error('stop')
  end
  return reply
end
local done, result = pcall(function()
BODY
end)
if failure then return failure end
if done then return result end
return redis.error_reply('ERR ' .. tostring(result))
"""

# Not MULTI and EXEC, which have no conditions and go on after an error: an XADD that is refused
# would be followed by the XACK, and the entry lost. Here nothing follows an error.
_BURY = _script("""\
local group, consumer, idle = ARGV[1], ARGV[2], tonumber(ARGV[3])
local delete, most = ARGV[4] == '1', tonumber(ARGV[5])
local function bury(id, deliveries, why)
  local held = ask('XPENDING', KEYS[1], group, id, id, 1)[1]
  if not held or consumer ~= '' and held[2] ~= consumer then return {'free'} end
  if held[3] < idle then return {'fresh', held[2], tostring(held[3])} end
  local entry = ask('XRANGE', KEYS[1], id, id)[1]
  if not entry then
    ask('XACK', KEYS[1], group, id)
    return {'trimmed'}
  end
  if #entry[2] > most then return {'large'} end
  if deliveries == '' then deliveries = held[4] end
  local own = id .. ' ' .. group
  local redrives = ask('HGET', KEYS[3], own) or ask('HGET', KEYS[3], id) or '0'
  local values = {KEYS[1], id, group, held[2], deliveries, why, redrives}
  local letter = {}
  for n, name in ipairs(names) do
    table.insert(letter, name)
    table.insert(letter, values[n])
  end
  for _, part in ipairs(entry[2]) do table.insert(letter, part) end
  local dead = ask('XADD', KEYS[2], '*', unpack(letter))
  ask('HDEL', KEYS[3], own)
  ask('XACK', KEYS[1], group, id)
  -- Since Redis 8.2 an entry can stay for other groups that have not acknowledged it.
  if delete and redis.pcall('XDELEX', KEYS[1], 'ACKED', 'IDS', 1, id).err then
    ask('XDEL', KEYS[1], id)
  end
  return {'added', dead}
end
local results = {}
for i = 6, #ARGV, 3 do table.insert(results, bury(ARGV[i], ARGV[i + 1], ARGV[i + 2])) end
return results""")

_REDRIVE = _script("""\
local group, consumer, to, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local function is_letter(parts)
  for n, name in ipairs(names) do
    if parts[2 * n - 1] ~= name then return false end
  end
  return #parts > 2 * #names and string.find(parts[4], '^%d+-%d+$')
    and string.find(parts[10], '^%d+$') and string.find(parts[14], '^%d+$')
end
local function redrive(id)
  local letter = ask('XRANGE', KEYS[2], id, id)[1]
  if not letter then return {'gone'} end
  local parts = letter[2]
  if not is_letter(parts) then return {'foreign'} end
  local origin, redrives = parts[4], tonumber(parts[14])
  if parts[6] ~= group then return {'other', parts[6]} end
  if redrives >= most then return {'often', parts[14]} end
  local new, counted = origin, origin .. ' ' .. group
  -- This fails where the key holds something else, and nothing is written then.
  ask('HGET', KEYS[3], counted)
  if to == 'stream' then
    if #parts > tonumber(ARGV[7]) then return {'large'} end
    new = ask('XADD', KEYS[1], '*', unpack(parts, 2 * #names + 1))
    counted = new
  else
    local held = ask('XPENDING', KEYS[1], group, origin, origin, 1)[1]
    if held then return {'held', origin, held[2]} end
    if not ask('XRANGE', KEYS[1], origin, origin)[1] then return {'trimmed', origin} end
    ask('XCLAIM', KEYS[1], group, consumer, 0, origin,
      'IDLE', ARGV[5], 'RETRYCOUNT', 0, 'FORCE', 'JUSTID')
  end
  ask('HSET', KEYS[3], counted, redrives + 1)
  ask('EXPIRE', KEYS[3], ARGV[6])
  ask('XDEL', KEYS[2], id)
  return {'added', new}
end
local results = {}
for i = 8, #ARGV do table.insert(results, redrive(ARGV[i])) end
return results""")

_NOT_BURIED = {
    "free": "entry {id} is not pending in group {group!r}, or no more",
    "fresh": "entry {id} was delivered to consumer {0!r} {1} ms ago, who may be at work; "
    "a smaller min_idle= takes it all the same",
    "trimmed": "entry {id} is not in {key!r} any more; it was acknowledged",
    "large": "entry {id} has more fields than a script can add; it stays pending: "
    "Stream.add(...) copies it, and ack() ends it",
}
_NOT_REDRIVEN = {
    "gone": "{dead!r} has no entry {id}, or no more",
    "foreign": "entry {id} of {dead!r} is no dead letter; Stream(conn, {dead!r}) reads it",
    "other": "dead letter {id} is of another group, {0!r}",
    "often": "dead letter {id} was redriven {0} time(s) before; a larger max_redrives= lets it go",
    "large": "dead letter {id} has more fields than a script can add; Stream.add(...) takes them",
    "trimmed": "entry {0} is not in {key!r} any more; to='stream' adds it anew",
    "held": "entry {0} is pending in the group again, with consumer {1!r}",
}


def _keys(key: str) -> tuple[str, str, str]:
    dead = dead_letters_key(key)
    return key, dead, f"{dead}:redrives"


def bury_held(
    key: str,
    group: str,
    consumer: str,
    letters: Sequence[tuple[bytes, int, str]],
    *,
    delete: bool,
) -> Conversation[tuple[list[bytes], list[bytes]]]:
    """Make dead letters of entries that this consumer holds, and acknowledge them.

    Parameters
    ----------
    key, group, consumer : str
        Whose entries they are. What somebody else has taken over meanwhile, or is not pending any
        more, is left alone.
    letters : sequence of (ID, deliveries, type of the error)
    delete : bool
        Delete them from the stream too.

    Returns
    -------
    buried, trimmed : list of bytes
        The IDs of the entries that are dead letters now, and of those whose body is gone, which
        are merely acknowledged.

    Raises
    ------
    RedisnbError
        At the end, if some have more than 3,500 fields, more than a script can copy; those stay
        pending.
    redis.exceptions.ResponseError
        If the server refuses; the entry that it happened at, and those behind it, stay pending.
    """
    found: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for i in range(0, len(letters), BATCH):
        part = letters[i : i + BATCH]
        results = yield _burying(key, group, part, consumer=consumer, delete=delete)
        for (id, _, _), (what, *_) in zip(part, results, strict=True):
            found[what].append(id)
    if large := found[b"large"]:
        raise RedisnbError(
            f"{key!r}: entry {large[0].decode()} ({len(large)} in all) has more than "
            f"{_MOST_PARTS // 2:,} fields, more than can be moved to {dead_letters_key(key)!r}; it "
            f"stays pending in group {group!r}: copy it by hand and ack() it"
        )
    return found[b"added"], found[b"trimmed"]


def bury_idle(
    key: str, group: str, ids: Sequence[str], *, idle: int, error: str
) -> Conversation[Outcome]:
    """Make dead letters of entries that anybody holds, and acknowledge them.

    Parameters
    ----------
    key, group : str
        Whose entries they are.
    ids : sequence of str
        What was delivered to its consumer less than `idle` ms ago stays with it.
    error : str
        Why.
    """
    outcome = Outcome([], {})
    for i in range(0, len(ids), BATCH):
        part = ids[i : i + BATCH]
        results = yield _burying(key, group, [(id, "", error) for id in part], idle=idle)
        outcome.take(part, results, _NOT_BURIED, key=key, group=group)
    return outcome


def _burying(
    key: str,
    group: str,
    letters: Iterable[tuple[bytes | str, int | str, str]],
    *,
    consumer: str = "",
    idle: int = 0,
    delete: bool = False,
) -> tuple[Any, ...]:
    """Return the command that buries what this consumer holds, if one is named, for `idle` ms."""
    arguments = [part for letter in letters for part in letter]
    conditions = (group, consumer, idle, int(delete), _MOST_PARTS)
    return "EVAL", _BURY, 3, *_keys(key), *conditions, *arguments


def redrive(
    key: str,
    group: str,
    consumer: str,
    ids: Sequence[str],
    *,
    to: Literal["group", "stream"],
    max_redrives: int,
) -> Conversation[Outcome]:
    """Send dead letters of a group back, and take them out of the dead letters.

    Parameters
    ----------
    key, group : str
        Whose dead letters they are.
    consumer : str
        Under whose name they are pending, if they go back to the group.
    ids : sequence of str
        Of the dead letters, not of the entries that they come from.
    to, max_redrives
        As for `ConsumerGroup.redrive`.
    """
    outcome = Outcome([], {})
    for i in range(0, len(ids), BATCH):
        part = ids[i : i + BATCH]
        results = yield (
            *("EVAL", _REDRIVE, 3, *_keys(key), group, consumer, to, max_redrives),
            *(GIVEN_BACK, _REMEMBERED, _MOST_PARTS + HEAD, *part),
        )
        outcome.take(part, results, _NOT_REDRIVEN, key=key, dead=dead_letters_key(key))
    return outcome
