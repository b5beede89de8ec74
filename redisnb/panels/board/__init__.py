"""The dashboard: all panels for the streams of a database."""

__all__: list[str] = []
