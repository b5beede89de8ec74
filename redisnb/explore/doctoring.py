"""doctor(): what a server is, and what is wrong with it and with what is in it."""

from __future__ import annotations

import warnings

import pandas as pd

from redisnb import frames, wire
from redisnb.durations import Duration, milliseconds
from redisnb.errors import RedisnbWarning
from redisnb.explore.examination import Examination
from redisnb.explore.key_checks import check_keys
from redisnb.explore.server_checks import check_server
from redisnb.explore.stream_checks import check_all_streams
from redisnb.hints import hinted
from redisnb.wire import Connection

__all__ = ["doctor"]


@hinted
def doctor(conn: Connection, *, timeout: Duration = 5) -> pd.DataFrame:
    """Examine a server and one database: what it is, what it can do, and what is wrong.

    Parameters
    ----------
    conn : Connection
        What `redisnb.connect` returns; a read-only one will do.
    timeout : duration, default 5 s
        About how long it may take. The server is asked first, then keys, streams and groups; what
        there was no time for is listed.

    Returns
    -------
    DataFrame in schema FINDINGS
        Errors first, then warnings, then notes; it is shown as text. Each remedy is code that shows
        or mends something, for ``import redisnb as rnb`` and this `conn`. Notes say what the server
        is, what it has, and what was not looked at, for lack of time or of permission:
        ``frame.attrs["not_looked_at"]`` lists that too.

        - server: nothing is saved to disk, or it failed; 90 % of maxmemory or of the connections
          are taken; evicted keys, rejected connections, fragmented or swapped memory; replicas that
          are not in step; commands that took 100 ms or longer.
        - keys, of a sample of 20,000: prefixes, up to the first of ``: / . | _ -``, of which some
          keys never expire while at least a tenth do (as a note, those of which none does); values
          of 1 MB or more.
        - streams: those of 10,000 entries or 10 MB that grow, if nothing was ever removed; dead
          letters.
        - groups: what `ConsumerGroup.why` finds of the 10 that are worst off.

    Notes
    -----
    INFO, CONFIG GET, COMMAND INFO, SLOWLOG and DBSIZE; SCAN with TYPE, PTTL, MEMORY USAGE and
    OBJECT ENCODING for keys; what `streams`, `groups` and `ConsumerGroup.why` send. Reads only.
    Evidence never has values or the contents of entries, only names and numbers.

    Examples
    --------
    >>> found = rnb.doctor(conn)
    >>> group = found[found["about"].str.startswith("group")].iloc[0]
    >>> group[["severity", "about", "finding"]].tolist()
    ['error', "group 'billing' of 'orders'", 'entries wait, and the group has no consumer']
    >>> group["remedy"].partition("; ")[2]
    "group.stream.range('(0-0', limit=10)"
    """
    wire.check_connection(conn, "doctor(conn)")
    exam = Examination(conn, milliseconds(timeout, "timeout") / 1000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RedisnbWarning)
        check_server(exam)
        check_keys(exam)
        check_all_streams(exam)
    exam.take_warnings(caught)
    frame = frames.findings_frame(exam.found)
    frame.attrs["not_looked_at"] = exam.skipped
    return frame
