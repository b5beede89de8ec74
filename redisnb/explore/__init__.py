"""Looking into an unknown server: what it is, what is in it and what is wrong."""

__all__: list[str] = []
