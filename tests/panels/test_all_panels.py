"""What all panels have in common."""

import subprocess
import sys
from importlib import import_module

import pandas as pd
import pytest

import redisnb
from redisnb import MissingExtraError, Stream, connect, panels
from redisnb.panels.parts import PartsPanel
from tests.deadlines import until
from tests.panels.parts.acting import Page


def all_panels(conn, key):
    stream = Stream(conn, key)
    return [
        panels.browse(stream),
        panels.live(stream),
        panels.groups(stream),
        panels.publish(stream),
        panels.replay(stream, Stream(conn, f"{key}:test")),
        panels.keys(conn),
        panels.server(conn),
        panels.dashboard(conn),
    ]


def texts(page):
    """Return all that a page shows, one property of a part after the other."""
    return [str(value) for node in page.nodes.values() for value in node["props"].values()]


def is_troubled(page):
    words = "".join(texts(page))
    return page.panel.last_error or "reconnecting" in words or "failed" in words


def test_there_is_a_function_and_a_class_for_each():
    functions = {name for name in panels.__all__ if name.islower()}
    classes = {name for name in panels.__all__ if not name.islower()}
    assert {name.removesuffix("Panel").lower() for name in classes} == functions
    assert all(issubclass(getattr(panels, name), PartsPanel) for name in classes)


def test_each_says_what_it_is_and_what_it_shows_and_can_be_closed(conn, raw):
    raw.xadd("orders", {"payload": '{"a": 1}'})
    for panel in all_panels(conn, "orders"):
        assert repr(panel).startswith(f"{type(panel).__name__}(")
        assert isinstance(panel.frame(), pd.DataFrame)
        compile(panel.python(), "panel", "exec")
        panel.close()
        panel.close()


@pytest.mark.slow
def test_none_shows_a_password_also_if_the_server_has_gone(tcp_server):
    with connect(tcp_server.url) as conn:
        tcp_server.kill()
        made = all_panels(conn, "orders")
        pages = [Page(each) for each in made]
        made[1].start()
        made[3].publish({"a": 1})
        for page in pages:
            until(lambda page=page: is_troubled(page), what=repr(page.panel))
        said = [
            text
            for page in pages
            for text in (
                *texts(page),
                repr(page.panel),
                page.panel.python(),
                str(page.panel.last_error),
            )
        ]
        assert not any("hunter2" in text for text in said)
        for panel in made:
            panel.close()


@pytest.mark.slow
def test_a_kernel_ends_without_a_word_while_panels_work(server, raw):
    raw.xadd("orders", {"payload": '{"a": 1}'})
    code = """
import sys, redisnb
from tests.panels.test_all_panels import all_panels
made = all_panels(redisnb.connect(sys.argv[1]), "orders")
assert made[1].start()
made[4].start()
"""
    ended = subprocess.run(
        [sys.executable, "-c", code, server.url], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("name", ["browse", "live", "groups", "publish"])
def test_a_panel_is_made_of_what_it_is_for(name):
    with pytest.raises(TypeError, match=r"Stream"):
        getattr(panels, name)("orders")


def test_without_the_extra_the_remedy_is_named(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("redisnb.panels")]:
        monkeypatch.delitem(sys.modules, name)
    # The import sets the attribute, which would stay.
    monkeypatch.setattr(redisnb, "panels", None, raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'redisnb\[lab\]'"):
        import_module("redisnb.panels")
