"""What griffe, which reads the docstrings, does not do by itself."""

from typing import Any

from griffe import DocstringSectionParameters, Extension, Function


class OwnAnnotations(Extension):
    """Parameters that are described together, each with its own type.

    Of ``start, end, where``, griffe takes the type and the default of the first for all.
    """

    def on_function(self, *, func: Function, **_: Any) -> None:
        """Give the parameters in a docstring what the signature has for them."""
        if func.docstring is None:
            return
        signature = {each.name: each for each in func.parameters}
        annotations = [id(each.annotation) for each in signature.values()]
        for section in func.docstring.parsed:
            if not isinstance(section, DocstringSectionParameters):
                continue
            for parameter in section.value:
                # One that the docstring itself has stays.
                if parameter.name in signature and id(parameter.annotation) in annotations:
                    parameter.annotation = signature[parameter.name].annotation
                    parameter.value = signature[parameter.name].default
