"""The public names: sorted, documented, typed, and no others."""

import inspect

import pytest

import redisnb

PUBLIC = {name: getattr(redisnb, name) for name in redisnb.__all__ if name != "__version__"}


def methods(kind):
    return {
        name: value
        for each in kind.__mro__
        if each.__module__.startswith("redisnb")
        for name, value in vars(each).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    }


DOCUMENTED = {
    **PUBLIC,
    **{
        f"{name}.{method}": value
        for name, kind in PUBLIC.items()
        if inspect.isclass(kind) and kind.__module__.startswith("redisnb")
        for method, value in methods(kind).items()
    },
}


def test_the_names_are_sorted_and_exist():
    assert redisnb.__all__ == sorted(redisnb.__all__)
    assert len(redisnb.__all__) == len(set(redisnb.__all__))


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_every_public_name_is_documented(name):
    first = (inspect.getdoc(DOCUMENTED[name]) or "").partition("\n")[0]
    assert first.endswith((".", "`:", ";")), f"{name}: {first!r}"


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_every_parameter_is_typed(name):
    value = DOCUMENTED[name]
    value = value.fget if isinstance(value, property) else value
    if not inspect.isfunction(value):
        return
    parameters = inspect.signature(value).parameters.values()
    untyped = [p.name for p in parameters if p.annotation is p.empty and p.name != "self"]
    assert untyped == []
    assert inspect.signature(value).return_annotation is not inspect.Signature.empty


def test_only_connect_passes_options_through():
    loose = {
        name
        for name, value in DOCUMENTED.items()
        if inspect.isfunction(value)
        if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(value).parameters.values())
    }
    assert loose <= {"connect"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="redisnb has no 'nonsense'"):
        redisnb.nonsense  # noqa: B018 - looking is the test
