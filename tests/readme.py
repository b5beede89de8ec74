"""Run the Python in README.md and put its output behind each block.

    python -m tests.readme >README.new

runs it on a private server and prints the file with fresh outputs.
"""

import ast
import contextlib
import io
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd

import redisnb

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```\n", re.DOTALL)


def run(source: str, namespace: dict[str, Any]) -> str:
    """Run a block as a notebook's cell: what it prints, then its last expression."""
    *body, last = ast.parse(source).body
    assert isinstance(last, ast.Expr)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), "README.md", "exec"), namespace)
        value = eval(compile(ast.Expression(last.value), "README.md", "eval"), namespace)
    lines = f"{printed.getvalue()}{value}".splitlines()
    return "".join(f"{line.rstrip()}\n" for line in lines)


def render() -> str:
    """Return README.md as it is when its blocks run now, one after the other."""
    namespace: dict[str, Any] = {}

    def fill(match: re.Match[str]) -> str:
        return f"```python\n{match[1]}```\n\n```text\n{run(match[1], namespace)}```\n"

    with pd.option_context("display.width", 100, "display.max_columns", 20):
        try:
            return BLOCK.sub(fill, README.read_text())
        finally:
            redisnb.stop_all()
            namespace["server"].stop()


if __name__ == "__main__":
    with redisnb.Server() as server:
        os.environ["REDISNB_URL"] = server.url
        print(render(), end="")
