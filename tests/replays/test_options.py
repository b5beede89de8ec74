"""The options of a replay: one set, which signatures, documentation and refusals go by."""

import inspect
import re

import pytest

from redisnb import Replay, Stream, replay
from redisnb.replays import ReplayOptions

OPTIONS = list(ReplayOptions.__annotations__)
DEFAULTS = {"ids": "new", "stamp": False, "allow_self": False, "on_error": "raise"}
OWN = {"progress": False, "dry_run": False}


@pytest.mark.parametrize(("function", "own"), [(replay, OWN), (Replay, {})])
def test_a_signature_shows_each_option_with_its_default(function, own):
    parameters = inspect.signature(function).parameters
    keywords = {
        name: each.default for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY
    }

    assert keywords == dict.fromkeys(OPTIONS) | DEFAULTS | own
    assert list(parameters) == ["source", "target", *OPTIONS, *own]
    assert parameters["ids"].annotation == "Ids"
    assert parameters["max_gap"].annotation == "Duration | None"


def test_the_documentation_is_of_the_options_that_there_are():
    section = inspect.getdoc(replay).partition("Parameters\n---")[2].partition("\nReturns\n")[0]
    lines = re.findall(r"^(\w[\w, ]*) :", section, re.MULTILINE)

    assert [name for line in lines for name in line.split(", ")] == [
        "source",
        "target",
        *OPTIONS,
        *OWN,
    ]


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (replay, {"sped": 2}, r"replay\(\) has no argument sped=; did you mean speed=\?"),
        (replay, {"filter": "x"}, r"replay\(\) has no argument filter=; did you mean where=\?"),
        (replay, {"zzz": 2}, "zzz=; it takes source, target, start, .*, progress, dry_run$"),
        (Replay, {"sped": 2}, r"Replay.__init__\(\) got an unexpected keyword argument 'sped'"),
        (Replay, {"progress": True}, "got an unexpected keyword argument 'progress'"),
    ],
)
def test_what_is_no_option_is_refused(function, options, message, conn):
    with pytest.raises(TypeError, match=message):
        function(Stream(conn, "from"), Stream(conn, "to"), **options)


def test_a_missing_target_is_refused(conn):
    with pytest.raises(TypeError, match=r"^replay\(\) missing .* 'target'; replay\(\) takes sou"):
        replay(Stream(conn, "from"), speed=2)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'target'"):
        Replay(Stream(conn, "from"), speed=2)
