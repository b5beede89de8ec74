"""What "Copy as Python" writes."""

import ast

import numpy as np
import pandas as pd

from redisnb.panels.parts import PythonCode


def test_a_script_is_written_call_by_call():
    code = PythonCode()
    source = code.call("rnb.Stream", code.connection("redis://a"), 'it\'s "one"', payload=None)
    target = code.call("rnb.Stream", code.connection("redis://b"), "two")
    assert code.connection("redis://a") == "conn"
    frame = code.keep("frame", code.method(source, "range", np.int64(5), where="n > 3"))
    code.do(code.call("rnb.replay", frame, target, speed=60, limit=None))
    assert str(code).splitlines() == [
        "import redisnb as rnb",
        "",
        "conn = rnb.connect('redis://a')",
        "conn2 = rnb.connect('redis://b')",
        "frame = rnb.Stream(conn, 'it\\'s \"one\"').range(5, where='n > 3')",
        "rnb.replay(frame, rnb.Stream(conn2, 'two'), speed=60)",
    ]


def test_values_and_long_calls():
    code = PythonCode()
    at = pd.Timestamp("2013-01-02 10:00", tz="UTC")
    columns = [f"column {i}" for i in range(9)]
    code.do(code.call("f", start=at, every=pd.Timedelta("90s"), transform=print, columns=columns))
    assert "    start='2013-01-02T10:00:00+00:00',\n    every=90,\n" in str(code)
    assert "    transform=print,\n" in str(code)
    ast.parse(str(code))
