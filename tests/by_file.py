"""One test for all files: a test for each would take longer to collect than to run."""

import ast
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import redisnb

PACKAGE = Path(redisnb.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree(path)))


def for_each(paths: Iterable[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Run a test for each file, and report all files for which it fails."""
    files = list(paths)

    def decorate(test: Callable[[Path], None]) -> Callable[[], None]:
        def run() -> None:
            assert files
            failures: list[Exception] = []
            for path in files:
                try:
                    test(path)
                except AssertionError as error:
                    error.add_note(f"in {path.relative_to(PACKAGE.parent)}")
                    failures.append(error)
            if failures:
                raise ExceptionGroup(f"{test.__name__}: {len(failures)} files", failures)

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return decorate
