"""What mkdocs calls while it builds the reference."""

import re
from typing import Any

SCHEMA = re.compile(r"(?<=in schema )[A-Z]+(_[A-Z]+)*\b")


def on_page_content(html: str, *, page: Any, **_: object) -> str:
    """Link the schemas that docstrings name to their columns."""
    if not page.file.src_uri.startswith("reference/"):
        return html
    return SCHEMA.sub(lambda name: f'<a href="schemas.html#{name[0].lower()}">{name[0]}</a>', html)
