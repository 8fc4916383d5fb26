"""Plain data <-> frozen dataclasses, strictly: an unknown key is an error that names the nearest known one.

Every configurable class has a frozen dataclass beside it. `from_dict` builds one from parsed YAML or JSON and checks
every value against the field's annotation; `to_dict` is its inverse. Nested dataclasses, optional values, enums,
tuples, lists, dicts with string keys and unions of those are understood; nothing else is needed.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from enum import Enum
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from radloom.errors import RadloomError, RecipeError, did_you_mean

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
D = TypeVar("D", bound="DataclassInstance")


def from_dict(cls: type[T], data: Mapping[str, Any], where: str = "") -> T:
    """Build the dataclass `cls` from `data`.

    Args:
        cls: a dataclass type.
        data: parsed YAML or JSON.
        where: dotted path of `data` within its file, for error messages.

    Raises:
        RecipeError: unknown or missing key, or a value of the wrong type; the text names it and where it stands.
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    place = where or cls.__name__
    if not isinstance(data, Mapping):
        raise RecipeError(f"{place}: expected a mapping of settings, got {data!r}.")
    for key in data:
        if key not in fields:
            raise RecipeError(
                f"{place}: unknown key {key!r}{did_you_mean(str(key), fields)}. Known keys: {', '.join(fields)}."
            )
    values = {k: _convert(hints[k], v, f"{where}.{k}" if where else k) for k, v in data.items()}
    required = [
        n
        for n, f in fields.items()
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING and n not in values
    ]
    if required:
        raise RecipeError(f"{place}: missing key {required[0]!r}; give it a value.")
    return cls(**values)


def to_dict(value: Any) -> Any:
    """The plain data that `from_dict` reads back: dataclasses become dicts, tuples lists, enums and paths strings."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): to_dict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_dict(v) for v in value]
    return value


def changed(settings: D, changes: Mapping[str, Any]) -> D:
    """A dataclass with those of its fields changed that are not None.

    Raises:
        RadloomError: a name that is no field of it, where the text names the nearest one and all of them, or a value
            of another type.
    """
    known = [f.name for f in dataclasses.fields(settings)]
    for name in changes:
        if name not in known:
            raise RadloomError(f"Unknown setting {name!r}{did_you_mean(name, known)}; known: {', '.join(known)}.")
    hints = typing.get_type_hints(type(settings))
    given = {name: _convert(hints[name], value, name) for name, value in changes.items() if value is not None}
    return dataclasses.replace(settings, **given)


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        errors = []
        for option in (a for a in args if a is not type(None)):
            try:
                return _convert(option, value, where)
            except RecipeError as error:
                errors.append(error)
        raise errors[0]
    if origin is typing.Literal:
        if value in args:
            return value
        raise RecipeError(f"{where}: {value!r} is not one of {', '.join(map(repr, args))}.")
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else from_dict(hint, value, where)  # type: ignore[arg-type]
    if origin in (tuple, list):
        if not isinstance(value, list | tuple):
            raise RecipeError(f"{where}: expected a list, got {value!r}.")
        inner = [args[0]] * len(value) if origin is list or (len(args) == 2 and args[1] is Ellipsis) else list(args)
        if len(inner) != len(value):
            raise RecipeError(f"{where}: expected {len(inner)} values, got {len(value)}.")
        return origin(_convert(h, v, f"{where}[{i}]") for i, (h, v) in enumerate(zip(inner, value, strict=True)))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise RecipeError(f"{where}: expected a mapping, got {value!r}.")
        return {str(k): _convert(args[1], v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError:
            options = ", ".join(repr(e.value) for e in hint)
            raise RecipeError(f"{where}: {value!r} is not one of {options}.") from None
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is int and isinstance(value, Integral) and not isinstance(value, bool):  # those of NumPy, too
        return int(value)
    if hint is float and isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 1e-4 as a string
        try:
            return float(value)
        except ValueError:
            pass
    if isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool)):
        return value
    name = getattr(hint, "__name__", str(hint))
    raise RecipeError(f"{where}: expected {name}, got {value!r}.")
