"""A progress bar for what takes long, where it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redisnb.errors import MissingExtraError

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(wanted: bool, total: int | None, unit: str) -> Iterator[Callable[[int], object]]:
    """Show a bar (tqdm's, on standard error or as a widget) and give the function that moves it on.

    Raises
    ------
    MissingExtraError
        If tqdm is not installed.
    """
    if not wanted:
        yield lambda _: None
        return
    try:
        from tqdm.auto import tqdm
    except ModuleNotFoundError:
        raise MissingExtraError("tqdm", "lab") from None
    with tqdm(total=total, unit=f" {unit}", unit_scale=True) as bar:
        yield bar.update
