"""Dask: a stream as a Dask DataFrame, read by many workers."""

from redisnb.dask.reading import read_stream

__all__ = ["read_stream"]
