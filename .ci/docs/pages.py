"""Write the pages of the reference into a folder, for mkdocs: `.ci/reference` runs this.

Files of the repository keep their paths there, so that the links between them hold.
"""

import base64
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redisnb import frames
from redisnb.cli.program import _parser

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ON_GITHUB = "https://github.com/redisnb/redisnb/blob/main/"
NAMES = ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY", "tests/benchmarks/README")
FILES = [f"{name}.md" for name in NAMES]
LINK = re.compile(r"\]\((?!https?://|#|attachment:)([^)#\s]+)(#[^)\s]*)?\)")


def main(target: Path) -> None:
    """Write `mkdocs.yml` and the folder `docs` into a folder."""
    docs = target / "docs"
    shutil.copytree(HERE / "pages", docs / "reference")
    shutil.copy(HERE / "extra.css", docs)
    for name in ("hooks.py", "annotations.py"):
        shutil.copy(HERE / name, target)
    shutil.copytree(ROOT / "notebooks" / "pictures", docs / "notebooks" / "pictures")
    index = docs / "reference" / "index.md"
    index.write_text(index.read_text().replace("# before.py\n", (HERE / "before.py").read_text()))
    (docs / "reference" / "commands.md").write_text(commands())
    (docs / "reference" / "schemas.md").write_text(schemas())
    notebooks = sorted(ROOT.glob("notebooks/*.ipynb"))
    for path in notebooks:
        page = docs / "notebooks" / f"{path.stem}.md"
        page.write_text(linked("\n\n".join(notebook(path, page.parent)) + "\n", path))
    for name in filter(lambda name: (ROOT / name).exists(), FILES):
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(linked((ROOT / name).read_text(), ROOT / name))
    nav = "\n".join(f"      - notebooks/{path.stem}.md" for path in notebooks)
    config = (HERE / "mkdocs.yml").read_text().replace("      # from pages.py", nav)
    (target / "mkdocs.yml").write_text(config)


def linked(text: str, path: Path) -> str:
    """Return a file's text with its links to what has a page, or else to the project's."""

    def page(match: re.Match[str]) -> str:
        to = os.path.relpath(path.parent / match[1], ROOT)
        if to in FILES or to.startswith("notebooks/pictures/"):
            return match[0]
        if to.startswith("notebooks/") and to.endswith(".ipynb"):
            return match[0].replace(".ipynb", ".md")
        if (ROOT / to).exists():
            return f"]({ON_GITHUB}{to}{match[2] or ''})"
        return match[0]

    return LINK.sub(page, text)


def commands() -> str:
    """Return the page of the command line, from the help of each command."""
    parser = _parser()
    (subcommands,) = parser._subparsers._group_actions
    parts = ["# Command line", "## redisnb", fence("text", parser.format_help())]
    for name, command in subcommands.choices.items():
        parts += [f"## redisnb {name}", fence("text", command.format_help())]
    return "\n\n".join(parts) + "\n"


def schemas() -> str:
    """Return the page of the schemas: of each what the table in the code says, and its dtypes."""
    described = sys.modules[frames.table.__module__].__doc__ or ""
    _, _, table, after = re.split(r"(?m)^=+ =+ =+\n", described)
    found: dict[str, list[str]] = {}
    for line in table.splitlines():
        name, index, columns = line[:12].strip(), line[13:26].strip(), line[27:].strip()
        if name:
            current = found[name] = [index]
        current.append(columns)
    parts = ["# Schemas", "Every frame has a schema, also when it is empty.", after.strip()]
    for name, (index, *columns) in sorted(found.items()):
        schema = getattr(frames, name)
        parts += [f"## {name}", f"Index: {index}. Columns: {' '.join(columns)}."]
        if schema:
            rows = [f"| `{column}` | `{dtype}` |" for column, dtype in schema.items()]
            parts.append("\n".join(["| column | dtype |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def notebook(path: Path, folder: Path) -> Iterator[str]:
    """Yield a saved notebook as Markdown, without its checks and with its solutions folded."""
    import nbformat  # takes seconds, and only this needs it

    for n, cell in enumerate(nbformat.read(path, as_version=4).cells):
        tags = cell.metadata.get("tags", ())
        if cell.cell_type == "markdown":
            text = cell.source
            for name, data in cell.get("attachments", {}).items():
                ((kind, content),) = data.items()
                stored = save(folder, f"{path.stem}-{n}-{name}", kind, content)
                text = text.replace(f"attachment:{name}", stored)
            yield text
        elif "check" not in tags:
            name = f"{path.stem}-{n}"
            code = fence("python", cell.source)
            outputs = [shown(each, folder, f"{name}-{m}") for m, each in enumerate(cell.outputs)]
            if "solution" in tags:
                yield folded("Solution", "\n\n".join([code, *outputs]))
            else:
                hidden = cell.metadata.get("jupyter", {}).get("source_hidden")
                yield "\n\n".join([folded("Code", code) if hidden else code, *outputs])


def folded(title: str, text: str) -> str:
    """Return a text that a click on its title shows."""
    indented = re.sub(r"(?m)^(?=.)", "    ", text)
    return f'??? note "{title}"\n\n{indented}'


def shown(output: Any, folder: Path, name: str) -> str:
    """Return an output of a cell: its picture, its HTML or its text."""
    data = output.get("data", {})
    for kind in ("image/png", "image/svg+xml"):
        if kind in data:
            return f"![]({save(folder, f'{name}.{kind[6:9]}', kind, data[kind])})"
    if "text/html" in data:
        # Without empty lines, which would end the block for Markdown.
        html = re.sub(r"\n\s*\n+", "\n", data["text/html"])
        return f'<div class="nb-output">\n{html.strip()}\n</div>'
    if output.output_type == "error":
        return fence("text", f"{output.ename}: {output.evalue}")
    text = data.get("text/plain", output.get("text", ""))
    return fence("text", text) if text.strip() else ""


def save(folder: Path, name: str, kind: str, content: str) -> str:
    """Write a picture beside a page, and return its name."""
    stored = content.encode() if kind == "image/svg+xml" else base64.b64decode(content)
    (folder / name).write_bytes(stored)
    return name


def fence(language: str, text: str) -> str:
    """Return a text as a block of code."""
    marks = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 3)
    return f"{marks}{language}\n{text.strip(chr(10))}\n{marks}"


if __name__ == "__main__":
    # Of argparse's help.
    os.environ |= {"COLUMNS": "100", "NO_COLOR": "1"}
    main(Path(sys.argv[1]))
