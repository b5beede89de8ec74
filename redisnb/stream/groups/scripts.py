"""Entries to dead letters and back, each atomically in a script.

The commands are conversations, see `wire`.
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

__all__ = ["LETTER_FIELDS", "LETTER_HEAD", "Outcome", "bury_held", "bury_idle", "redrive"]

# Of the error only the type: its message could contain a secret, in a shared database.
LETTER_FIELDS = tuple(
    b"dead:" + name.encode()
    for name in ("stream", "id", "group", "consumer", "deliveries", "error", "redrives")
)
LETTER_HEAD = 2 * len(LETTER_FIELDS)
#: How many letters one script moves: it blocks the server.
SCRIPT_BATCH = 100
# Lua passes at most 8,000 arguments to a command.
_MOST_PARTS = 7000
_REMEMBERED = 30 * 24 * 60 * 60  # seconds


class Outcome(NamedTuple):
    """The result for each of some entries or letters.

    Attributes
    ----------
    entry_ids : list of (bytes or None)
        The new ID of each, None if it was not moved.
    wrong : dict of int to (status, reason)
        Why not, by position.
    """

    entry_ids: list[bytes | None]
    wrong: dict[int, tuple[str, str]]

    def take(
        self, ids: Sequence[str], results: Sequence[Any], reasons: Mapping[str, str], **names: str
    ) -> None:
        """Add the results of a script for some IDs."""
        for id, (what, *more) in zip(ids, results, strict=True):
            if what != b"added":
                reason = reasons[what.decode()].format(*map(as_text, more), id=id, **names)
                self.wrong[len(self.entry_ids)] = "failed", reason
            self.entry_ids.append(more[0] if what == b"added" else None)


def _script(body: str) -> str:
    """Return a script that ends with the error of the first command that fails."""
    names = ", ".join(f"'{name.decode()}'" for name in LETTER_FIELDS)
    return _SCRIPT_FRAME.replace("NAMES", names).replace("BODY", body)


# Not `redis.call`: with it Redis 6.2 wraps the text of the error in another one.
_SCRIPT_FRAME = """\
local names = {NAMES}
local failure
local function ask(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) == 'table' and reply.err then
    -- Redis 6.2 prefixes errors such as OOM with the line of the script.
    local text = string.match(reply.err, '^@user_script: %d+: %-(.+)$')
    failure = text and redis.error_reply(text) or reply
    -- Or the remedy for this error would name the stream.
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

# Not MULTI and EXEC, which have no conditions and continue after an error: the XACK would follow an
# XADD that was refused, and the entry would be lost. Here nothing follows an error.
# https://redis.io/docs/latest/develop/programmability/eval-intro/
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
  -- Since Redis 8.2 the entry can be kept for groups that have not acknowledged it.
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
  -- This fails if the key has another type, before anything is written.
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
    "free": "entry {id} is not pending in group {group!r}",
    "fresh": "entry {id} was delivered to consumer {0!r} {1} ms ago, which may be at work; "
    "a smaller min_idle= takes it nevertheless",
    "trimmed": "entry {id} is not in {key!r} any more; it was acknowledged",
    "large": "entry {id} has more fields than a script can add; it stays pending: "
    "Stream.add(...) copies it, and ack() ends it",
}
_NOT_REDRIVEN = {
    "gone": "{dead!r} has no entry {id}",
    "foreign": "entry {id} of {dead!r} is not a dead letter; Stream(conn, {dead!r}) reads it",
    "other": "dead letter {id} belongs to another group, {0!r}",
    "often": "dead letter {id} was redriven {0} time(s) before; a larger max_redrives= allows it",
    "large": "dead letter {id} has more fields than a script can add; Stream.add(...) takes them",
    "trimmed": "entry {0} is not in {key!r} any more; to='stream' adds it again",
    "held": "entry {0} is already pending in the group, with consumer {1!r}",
}


def _letter_keys(key: str) -> tuple[str, str, str]:
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
        The consumer that holds them. Entries that it does not hold any more are ignored.
    letters : sequence of (ID, deliveries, type of the error)
    delete : bool
        Delete them from the stream too.

    Returns
    -------
    buried, trimmed : list of bytes
        The IDs of the entries that are dead letters now, and of those without a body, which are
        only acknowledged.

    Raises
    ------
    RedisnbError
        At the end, if some have more than 3,500 fields, more than a script can copy; they stay
        pending.
    redis.exceptions.ResponseError
        If the server refuses: that entry and the following ones stay pending.
    """
    found: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for i in range(0, len(letters), SCRIPT_BATCH):
        part = letters[i : i + SCRIPT_BATCH]
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
    """Make dead letters of entries of any consumer, and acknowledge them.

    Parameters
    ----------
    key, group : str
        The group that gives up.
    ids : sequence of str
        Entries that were delivered less than `idle` ms ago are left alone.
    error : str
        The reason.
    """
    outcome = Outcome([], {})
    for i in range(0, len(ids), SCRIPT_BATCH):
        part = ids[i : i + SCRIPT_BATCH]
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
    """Return the command that buries entries, of one consumer if named, idle for `idle` ms."""
    arguments = [part for letter in letters for part in letter]
    conditions = (group, consumer, idle, int(delete), _MOST_PARTS)
    return "EVAL", _BURY, 3, *_letter_keys(key), *conditions, *arguments


def redrive(
    key: str,
    group: str,
    consumer: str,
    ids: Sequence[str],
    *,
    to: Literal["group", "stream"],
    max_redrives: int,
) -> Conversation[Outcome]:
    """Send dead letters of a group back, and delete the letters.

    Parameters
    ----------
    key, group : str
        The group of the letters.
    consumer : str
        The consumer for which they become pending, if they go back to the group.
    ids : sequence of str
        The IDs of the letters, not of the entries.
    to, max_redrives
        As for `ConsumerGroup.redrive`.
    """
    outcome = Outcome([], {})
    for i in range(0, len(ids), SCRIPT_BATCH):
        part = ids[i : i + SCRIPT_BATCH]
        results = yield (
            *("EVAL", _REDRIVE, 3, *_letter_keys(key), group, consumer, to, max_redrives),
            *(GIVEN_BACK, _REMEMBERED, _MOST_PARTS + LETTER_HEAD, *part),
        )
        outcome.take(part, results, _NOT_REDRIVEN, key=key, dead=dead_letters_key(key))
    return outcome
