"""The dashboard: which panel it shows for which stream, and that it leaves nothing running."""

import pytest

from redisnb import ConsumerGroup, Stream, connect, stop_all
from redisnb.panels import (
    ConsumePanel,
    GroupsPanel,
    KeysPanel,
    PublishPanel,
    ReplayPanel,
    dashboard,
)
from tests.panels.conftest import threads
from tests.panels.looking import cells, controls, inside, lines, press, select, texts


def test_it_lists_the_streams_and_follows_them(conn, raw, wait_until, monkeypatch):
    monkeypatch.setattr("redisnb.panels.board.panel.EVERY", 0.05)
    board = dashboard(conn)
    assert cells(board, "Streams") == []
    assert board.panel is None
    assert any(said.startswith("Choose a stream") for said in lines(board))
    raw.xadd("orders", {"a": 1})
    raw.xgroup_create("orders", "etl", id="0")
    wait_until(lambda: cells(board, "Streams") == [["orders", "1", "0", "1", "0", "1"]])
    assert board.state == "reading"
    assert board.frame()["stream"].tolist() == ["orders"]


def test_five_panels_for_the_stream_that_is_chosen(conn, raw):
    raw.xadd("orders", {"payload": '{"n": 1}'})
    raw.xadd("flights", {"payload": '{"n": 1}'})
    board = dashboard(conn)
    select(board, "Streams", "orders")
    assert isinstance(board.panel, PublishPanel)
    kinds = {
        "consume": ConsumePanel,
        "groups": GroupsPanel,
        "replay": ReplayPanel,
        "keys": KeysPanel,
    }
    seen = {}
    for tab, kind in kinds.items():
        press(board, "tab", tab=tab)
        assert isinstance(board.panel, kind)
        assert board.panel in inside(board)
        seen[tab] = board.panel
    press(board, "tab", tab="groups")
    assert board.panel is seen["groups"], "it was kept"

    board.choose("flights")
    assert repr(board.panel) == "GroupsPanel('flights')"
    assert seen["consume"]._closed
    assert not seen["keys"]._closed, "which is of the whole database"
    board.close()
    assert seen["keys"]._closed
    assert threads() == []


def test_it_reads_as_the_group_that_is_chosen(conn, raw):
    raw.xadd("orders", {"payload": '{"n": 1}'})
    ConsumerGroup(Stream(conn, "orders"), "etl").create("all")
    board = dashboard(conn)
    board.choose("orders")
    board.view("consume")
    assert repr(board.panel) == "ConsumePanel('orders')"
    assert controls(board, "reader").options["reader"] == [
        ["", "watch, without a group"],
        ["etl", "group etl"],
    ]
    press(board, "reader", reader="etl")
    assert repr(board.panel) == "ConsumePanel('orders', group='etl')"


def test_it_replays_into_the_stream_of_a_key(conn, raw):
    raw.xadd("orders", {"payload": '{"n": 1}'})
    board = dashboard(conn)
    board.choose("orders")
    board.view("replay")
    assert controls(board, "target")["target"] == "orders:replay"
    press(board, "into", target="elsewhere")
    assert "'elsewhere'" in texts(board.panel)["heading"]


def test_a_stream_that_is_still_to_come(conn, raw):
    board = dashboard(conn)
    press(board, "open", key="")
    assert "type the key of a stream" in texts(board)["alert"]
    press(board, "open", key="new")
    assert texts(board)["alert"] == ""
    assert isinstance(board.panel, PublishPanel)
    for tab in ("consume", "groups", "replay"):
        assert board.view(tab) is not None
    assert raw.dbsize() == 0


def test_a_server_that_goes_and_comes_back(tcp_server, wait_until, monkeypatch):
    monkeypatch.setattr("redisnb.panels.board.panel.EVERY", 0.05)
    with connect(tcp_server.url) as conn:
        board = dashboard(conn)
        wait_until(lambda: board.state == "reading")
        tcp_server.kill()
        wait_until(lambda: board.state == "reconnecting", 2)
        tcp_server.start()
        wait_until(lambda: board.state == "reading", 5)
        assert texts(board)["alert"] == ""
        board.close()


def test_nothing_is_left(conn, wait_until):
    board = dashboard(conn)
    stop_all()
    wait_until(lambda: threads() == [])
    assert board.state == "stopped"
    board.close()
    with pytest.raises(RuntimeError, match="closed"):
        board.choose("orders")


def test_what_the_notebook_keeps(conn, raw):
    raw.xadd("orders", {"a": 1})
    bundle = dashboard(conn)._repr_mimebundle_()
    assert bundle["text/plain"] == "Dashboard()"
    assert "<code>orders</code>" in bundle["text/html"]
    assert "text/html" not in dashboard(conn, snapshot=False)._repr_mimebundle_()
