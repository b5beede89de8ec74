"""A shell of IPython in which the extension is loaded, and what it completes."""

from collections.abc import Callable

import pytest


def _as_plain(hint: str) -> str:
    return hint.replace("\N{NO-BREAK SPACE}", " ").replace("\N{WORD JOINER}", "")


@pytest.fixture(scope="module")
def instance():
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    # Without a history, which would be that of the user who runs the tests.
    config = Config()
    config.HistoryManager.enabled = False
    config.Completer.use_jedi = False
    yield InteractiveShell.instance(config=config)
    InteractiveShell.clear_instance()


@pytest.fixture
def shell(instance):
    instance.reset(new_session=False)
    instance.run_line_magic("load_ext", "redisnb")
    yield instance
    instance.run_line_magic("unload_ext", "redisnb")


@pytest.fixture
def completed(shell) -> Callable[[str], dict[str, str]]:
    """``completed("%redis XR")`` returns what can stand there, with what is shown beside it."""
    from IPython.core.completer import provisionalcompleter

    def complete(cell: str) -> dict[str, str]:
        with provisionalcompleter():
            found = list(shell.Completer.completions(cell, len(cell)))
        assert {cell[: each.start] + each.text for each in found} == {
            cell[: found[0].start] + each.text for each in found
        }
        return {each.text: _as_plain(each.type) for each in found}

    return complete
