"""What a server is and can do, and what is wrong with it as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from redisnb import cards, frames, wire
from redisnb.durations import duration
from redisnb.entries import as_text
from redisnb.explore.examination import Examination, Finding, counted

__all__ = ["check_server"]

#: How full the memory, or the list of clients, may be.
NEARLY_FULL = 0.9
#: How much memory has to be concerned before its fragmentation is a finding, in bytes.
MUCH_MEMORY = 100 * 1024 * 1024
#: How far a replica may be behind, in bytes, and how long it may be silent, in seconds.
BEHIND_BYTES, BEHIND_SECONDS = 16 * 1024 * 1024, 10
#: From how many microseconds on a command in the slow log is a finding.
SLOW_MICROSECONDS = 100_000
#: Commands that not every server has, and what they are for. Servers are asked, by COMMAND INFO:
#: a version number says little of one that is managed, or of another make.
CAPABILITIES = {
    "EVAL": "scripts",
    "XAUTOCLAIM": "taking over idle entries",
    "XACKDEL": "deletion that spares other groups",
    "PEXPIRETIME": "exact times of expiry",
    "HPEXPIRE": "fields that expire",
    "JSON.GET": "JSON documents",
    "FT.SEARCH": "search",
    "TS.RANGE": "time series",
    "BF.EXISTS": "Bloom filters",
    "VSIM": "vector sets",
}
_ROLES = {"master": "primary", "slave": "replica"}

Facts = Mapping[str, str]


def check_server(exam: Examination) -> None:
    """Add what the server is, what it can do, and what is wrong by its own account."""
    reply = exam.ask("the state of the server (INFO)", "INFO")
    if reply is not None:
        facts = {name: value for _, name, value in frames.parse_info(reply)[0]}
        exam.found.append(_identity(facts))
    _check_capabilities(exam)
    if reply is not None:
        for check in _FACT_CHECKS:
            exam.found += check(facts)
        _check_persistence(exam, facts)
        _check_databases(exam, facts)
    _check_slow_commands(exam)


def _identity(facts: Facts) -> Finding:
    product = f"Redis {facts.get('redis_version', 'of an unknown version')}"
    for other in ("valkey", "dragonfly"):
        if f"{other}_version" in facts:
            product = f"{other.title()} {facts[f'{other}_version']} (it also says {product})"
    role = _ROLES.get(facts.get("role", ""), "its role is unknown")
    limit = _number(facts, "maxmemory")
    memory = f"{cards.amount(_number(facts, 'used_memory'))} of memory"
    policy = facts.get("maxmemory_policy", "unknown")
    most = f" of at most {cards.amount(limit)} ({policy})" if limit else ""
    up = duration(timedelta(seconds=_number(facts, "uptime_in_seconds")))
    evidence = f"up {up}, {counted(_number(facts, 'connected_clients'), 'client')}, {memory}{most}"
    return "note", "the server", f"{product}, {role}", evidence, "rnb.info(conn)"


def _check_databases(exam: Examination, facts: Facts) -> None:
    mine = exam.conn.database
    for name, text in facts.items():
        if name.startswith("db") and name[2:].isdecimal():
            counts = _pairs(text)
            keys = counted(int(counts["keys"]), "key")
            if int(name[2:]) == mine:
                expiring = f"{int(counts['expires']):,} of them expire"
                exam.found.append(("note", name, keys, expiring, "rnb.keys(conn)"))
            else:
                exam.skip(f"database {name[2:]}", keys)
    if f"db{mine}" not in facts:
        exam.found.append(("note", f"db{mine}", "0 keys", "the database is empty", ""))


def _check_capabilities(exam: Examination) -> None:
    reply = exam.ask("what the server can do (COMMAND INFO)", "COMMAND", "INFO", *CAPABILITIES)
    if reply is None:
        return
    known = dict(zip(CAPABILITIES, reply, strict=True))
    has = [f"{what} ({name})" for name, what in CAPABILITIES.items() if known[name]]
    lacks = [f"{what} ({name})" for name, what in CAPABILITIES.items() if not known[name]]
    evidence = "; ".join(
        f"{begin} {', '.join(each)}" for begin, each in (("has", has), ("lacks", lacks)) if each
    )
    exam.found.append(("note", "the server", "what it can do", evidence, ""))


def _check_persistence(exam: Examination, facts: Facts) -> None:
    if facts.get("aof_enabled") != "0":
        return
    reply = exam.ask("whether the server saves to disk (CONFIG GET save)", "CONFIG", "GET", "save")
    if reply is None or wire.mapping(reply).get(b"save") != b"":
        return
    finding, evidence = (
        "nothing is saved to disk",
        "neither snapshots (save) nor a log (appendonly)",
    )
    if exam.conn.server is not None:
        exam.found.append(("note", "persistence", finding, f"{evidence}: it is private", ""))
        return
    exam.found.append(
        (
            "warning",
            "persistence",
            finding,
            f"{evidence}: all data is gone when the server ends",
            "conn.client.config_get('save')",
        )
    )


def _check_slow_commands(exam: Examination) -> None:
    reply = exam.ask("slow commands (SLOWLOG)", "SLOWLOG", "GET", 128)
    slow = [each for each in reply or () if each[2] >= SLOW_MICROSECONDS]
    if slow:
        # Only the names: the arguments may be data.
        names = Counter(as_text(command[0]).upper() for _, _, _, command, *_ in slow)
        most = ", ".join(f"{name} ({n:,})" for name, n in names.most_common(3))
        longest = duration(timedelta(microseconds=max(each[2] for each in slow)))
        last = datetime.fromtimestamp(slow[0][1], UTC)
        exam.found.append(
            (
                "warning",
                "slow commands",
                f"{counted(len(slow), 'command')} took up to {longest}, and all clients waited",
                f"{most}; the last one at {last:%Y-%m-%d %H:%M} UTC",
                "rnb.slowlog(conn)",
            )
        )


def _loading(facts: Facts) -> Iterator[Finding]:
    if facts.get("loading") == "1":
        yield (
            "error",
            "persistence",
            "the server is still reading its data from disk",
            "it refuses commands until then",
            "rnb.info(conn, 'persistence')",
        )


def _failed_saves(facts: Facts) -> Iterator[Finding]:
    for name, what in (
        ("rdb_last_bgsave_status", "the last snapshot could not be saved"),
        ("aof_last_write_status", "the last write to the log (appendonly) failed"),
        ("aof_last_bgrewrite_status", "the log (appendonly) could not be rewritten"),
    ):
        if facts.get(name, "ok") != "ok":
            changes = (
                f"{_number(facts, 'rdb_changes_since_last_save'):,} changes since the last one"
            )
            evidence = f"{name} is {facts[name]}; {changes}"
            yield "error", "persistence", what, evidence, "rnb.info(conn, 'persistence')"


def _memory(facts: Facts) -> Iterator[Finding]:
    used, limit = _number(facts, "used_memory"), _number(facts, "maxmemory")
    policy = facts.get("maxmemory_policy", "noeviction")
    if limit and used >= NEARLY_FULL * limit:
        if policy == "noeviction":
            severity, then = "error", "when it is full, writes are refused"
        elif policy.startswith("allkeys"):
            severity, then = "warning", "any key may be evicted, also a stream with all its entries"
        else:
            severity, then = "warning", "keys that expire are evicted, then writes are refused"
        finding = f"{used / limit:.0%} of maxmemory is used"
        evidence = f"{cards.amount(used)} of {cards.amount(limit)}; {policy}: {then}"
        yield severity, "memory", finding, evidence, "rnb.info(conn, 'memory')"
    if evicted := _number(facts, "evicted_keys"):
        finding = f"{counted(evicted, 'key')} evicted"
        yield "warning", "memory", finding, f"by {policy}", "rnb.info(conn, 'stats')"


def _fragmentation(facts: Facts) -> Iterator[Finding]:
    used, resident = _number(facts, "used_memory"), _number(facts, "used_memory_rss")
    evidence = f"{cards.amount(used)} are used, and {cards.amount(resident)} are resident"
    if resident - used >= MUCH_MEMORY and resident >= 2 * used:
        finding = "the memory is fragmented"
        yield "warning", "memory", finding, evidence, "conn.client.memory_stats()"
    elif used - resident >= MUCH_MEMORY and resident <= 0.75 * used:
        finding = "a part of the memory seems to be swapped out"
        yield "warning", "memory", finding, evidence, "rnb.info(conn, 'memory')"


def _replication(facts: Facts) -> Iterator[Finding]:
    remedy = "rnb.info(conn, 'replication')"
    if facts.get("master_link_status") == "down":
        # -1 if it never had one.
        seconds = _number(facts, "master_link_down_since_seconds")
        since = f" for {duration(timedelta(seconds=seconds))}" if seconds > 0 else ""
        finding = f"this replica has had no link to its primary{since}"
        yield "error", "replication", finding, "what it has may be old", remedy
    written = _number(facts, "master_repl_offset")
    for name, text in facts.items():
        if not (name.startswith("slave") and name[5:].isdecimal()):
            continue
        state = _pairs(text)
        behind, silent = written - int(state.get("offset", written)), int(state.get("lag", 0))
        where = f"the replica {state.get('ip')}:{state.get('port')}"
        evidence = f"{cards.amount(max(0, behind))} behind, heard from {silent} s ago"
        if state.get("state", "online") != "online":
            yield "warning", "replication", f"{where} is not in step", evidence, remedy
        elif behind >= BEHIND_BYTES or silent >= BEHIND_SECONDS:
            yield "warning", "replication", f"{where} is behind", evidence, remedy


def _clients(facts: Facts) -> Iterator[Finding]:
    connected, most = _number(facts, "connected_clients"), _number(facts, "maxclients")
    evidence = f"{connected:,} are connected, at most {most:,} may be"
    if rejected := _number(facts, "rejected_connections"):
        finding = f"{counted(rejected, 'connection')} rejected"
        yield "warning", "clients", finding, evidence, "rnb.clients(conn)"
    if most and connected >= NEARLY_FULL * most:
        yield "error", "clients", "nearly all connections are taken", evidence, "rnb.clients(conn)"
    if blocked := _number(facts, "blocked_clients"):
        finding = f"{counted(blocked, 'client')} in a blocking command"
        evidence = "as consumers do that wait for entries"
        yield "note", "clients", finding, evidence, "rnb.clients(conn)"


#: What only needs the reply to INFO.
_FACT_CHECKS = (_loading, _failed_saves, _memory, _fragmentation, _replication, _clients)


def _number(facts: Facts, name: str) -> int:
    """Return a fact as a number, 0 where the server does not have it."""
    text = facts.get(name, "")
    return int(text) if text.lstrip("-").isdecimal() else 0


def _pairs(text: str) -> dict[str, str]:
    """Return the parts of a fact such as ``keys=2,expires=0``."""
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)
