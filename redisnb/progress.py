"""Optional progress bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redisnb.errors import MissingExtraError

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(enabled: bool, total: int | None, unit: str) -> Iterator[Callable[[int], object]]:
    """Show a bar (tqdm's, on standard error or as a widget) and yield the function to advance it.

    Raises
    ------
    MissingExtraError
        If tqdm is not installed.
    """
    if not enabled:
        yield lambda _: None
        return
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError:
        raise MissingExtraError("tqdm", "lab") from None
    with tqdm(total=total, unit=f" {unit}", unit_scale=True) as bar:
        yield bar.update
