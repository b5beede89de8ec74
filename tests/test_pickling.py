"""What is sent to other processes: results and errors as they are, connections not at all."""

import copy
import pickle

import cloudpickle
import pandas as pd
import pytest

import redisnb as rnb
from redisnb import errors

WAYS = [pickle.dumps, cloudpickle.dumps, copy.copy, copy.deepcopy]


@pytest.fixture
def stream(conn) -> rnb.Stream:
    stream = rnb.Stream(conn, "orders")
    stream.add({"item": "tea", "n": [1, None]}, id="5-1")
    return stream


def of_this_process(stream: rnb.Stream, server: rnb.Server) -> list[tuple[object, str]]:
    """Return objects, each with the words that say how to do without sending it."""
    return [
        (stream.conn, r"call redisnb\.connect\(\), .* \$REDISNB_URL there"),
        (stream, r"make Stream\(redisnb\.connect\(\), key, .*redisnb\.dask\.read_stream\(key\)"),
        (rnb.ConsumerGroup(stream, "g"), r"make ConsumerGroup\(Stream\("),
        (rnb.Cache(stream.conn), r"make Cache\(redisnb\.connect\(\), prefix="),
        (rnb.Consumer(stream, print), r"make Consumer\(source, handler"),
        (rnb.Replay(stream, rnb.Stream(stream.conn, "b")), r"make Replay\(source, target"),
        (server, "connect to its url"),
    ]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.__module__}.{way.__name__}")
def test_what_holds_a_connection_says_how_to_do_without_sending_it(stream, server, way):
    for each, words in of_this_process(stream, server):
        said = f"a {type(each).__name__} cannot be pickled or copied; in another process, {words}"
        with pytest.raises(TypeError, match=said) as caught:
            way(each)
        assert stream.conn._options["password"] not in str(caught.value)
        # Also within what is sent.
        with pytest.raises(TypeError, match=said):
            pickle.dumps({"x": each})


def test_every_public_class_with_a_connection_is_tried(stream, server):
    tried = {type(each).__name__ for each, _ in of_this_process(stream, server)}
    kinds = {name for name in rnb.__all__ if isinstance(vars(rnb).get(name), type)}
    values = {"Entry", "EntryId", "Report"}
    assert kinds - values - {*errors.__all__} == tried


@pytest.mark.parametrize("way", [pickle, cloudpickle])
def test_results_are_sent_as_they_are(stream, way):
    def sent(value):
        return pickle.loads(way.dumps(value))

    for frame in (stream.range(), stream.info(), rnb.keys(stream.conn)):
        pd.testing.assert_frame_equal(sent(frame), frame)
        assert sent(frame).attrs == frame.attrs
    entry = stream["5-1"]
    assert sent(entry) == entry == copy.copy(entry) == copy.deepcopy(entry)
    assert sent(entry).event == {"item": "tea", "n": [1, None]}
    assert sent(rnb.EntryId("9-0")) < rnb.EntryId("10-0")
    report = rnb.replay(stream, rnb.Stream(stream.conn, "other"), speed=float("inf"))
    assert sent(report) == report


@pytest.mark.parametrize(
    "error",
    [
        errors.RedisnbError("no"),
        errors.ConnectError("no", url="redis://host:1"),
        errors.ReadOnlyError("no", command="XADD"),
        errors.EntryIdError("no", value=5),
        errors.DecodeError("no"),
        errors.EncodeError("no", column="a.b", row=3),
        errors.UncertainWriteError("no", stream="s", rows=2),
        errors.GroupMissingError("no", stream="s", group="g"),
        errors.ReplayError("no", path="p", line=2),
        errors.MissingExtraError("dask", "dask"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_a_worker_is_the_same_at_home(error):
    error.add_note("a remedy")
    for same in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(same) is type(error)
        assert str(same) == str(error)
        assert vars(same) == vars(error)
