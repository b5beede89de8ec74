"""A shell of IPython in which the extension is loaded, and what it completes."""

from collections.abc import Callable

import pytest


def _as_plain(hint: str) -> str:
    return hint.replace("\N{NO-BREAK SPACE}", " ").replace("\N{WORD JOINER}", "")


@pytest.fixture
def shell(ipython):
    ipython.reset(new_session=False)
    ipython.run_line_magic("load_ext", "redisnb")
    yield ipython
    ipython.run_line_magic("unload_ext", "redisnb")


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
