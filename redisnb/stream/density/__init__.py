"""How the entries of a stream are spread over time, by reading a few of them."""

from redisnb.stream.density.measurer import Measurer

__all__ = ["Measurer"]
