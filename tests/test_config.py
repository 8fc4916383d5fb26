from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from radloom.config import from_dict, to_dict
from radloom.errors import RecipeError


class Colour(StrEnum):
    GREY = "grey"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    rate: float
    steps: int = 10


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    flag: bool = False
    size: tuple[int, int] = (1, 2)
    rates: tuple[float, ...] = ()
    words: list[str] = field(default_factory=list)
    parts: dict[str, Inner] = field(default_factory=dict)
    colour: Colour = Colour.GREY
    fit: Literal["pad", "crop"] = "pad"
    path: Path | None = None
    limit: int | None = None
    either: int | str = 0


LEAST: dict[str, Any] = {"name": "x", "inner": {"rate": 0.1}}


def test_nested_values_become_dataclasses() -> None:
    outer = from_dict(
        Outer,
        LEAST | {"size": [3, 4], "colour": "blue", "path": "a/b", "parts": {"p": {"rate": 1, "steps": 2}}},
    )
    assert outer.inner == Inner(0.1)
    assert outer.size == (3, 4)
    assert outer.colour is Colour.BLUE
    assert outer.path == Path("a/b")
    assert outer.parts == {"p": Inner(1.0, 2)}
    assert isinstance(outer.parts["p"].rate, float)


inners = st.builds(Inner, rate=st.floats(allow_nan=False), steps=st.integers())
texts = st.text("abc é:#-'\n", max_size=6)
outers = st.builds(
    Outer,
    name=texts,
    inner=inners,
    flag=st.booleans(),
    size=st.tuples(st.integers(), st.integers()),
    rates=st.lists(st.floats(allow_nan=False), max_size=3).map(tuple),
    words=st.lists(texts, max_size=3),
    parts=st.dictionaries(texts, inners, max_size=2),
    colour=st.sampled_from(Colour),
    fit=st.sampled_from(["pad", "crop"]),
    path=st.none() | st.just(Path("a/b")),
    limit=st.none() | st.integers(),
    either=st.integers() | st.text("xyz", max_size=3),
)


@given(outers)
def test_round_trip_through_yaml(value: Outer) -> None:
    plain = to_dict(value)
    assert from_dict(Outer, plain) == value
    assert from_dict(Outer, yaml.safe_load(yaml.safe_dump(plain))) == value


def refused(change: dict[str, Any], match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        from_dict(Outer, LEAST | change, "stage")


def test_unknown_key_names_the_nearest_and_where_it_stands() -> None:
    refused({"sise": [1, 2]}, r"stage: unknown key 'sise' \(did you mean 'size'\?\)")
    refused({"inner": {"rate": 1.0, "step": 3}}, r"stage\.inner: unknown key 'step' \(did you mean 'steps'\?\)")
    refused({"parts": {"p": {"rte": 1.0}}}, r"stage\.parts\.p: unknown key 'rte' \(did you mean 'rate'\?\)")
    refused({"zzz": 1}, r"unknown key 'zzz'\. Known keys: name, inner")
    refused({3: 1}, r"unknown key 3\b")  # type: ignore[dict-item]


def test_missing_key() -> None:
    with pytest.raises(RecipeError, match="Outer: missing key 'name'"):
        from_dict(Outer, {"inner": {"rate": 1.0}})
    refused({"inner": {}}, r"stage\.inner: missing key 'rate'")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"name": 3}, r"stage\.name: expected str, got 3"),
        ({"name": None}, r"stage\.name: expected str, got None"),
        ({"flag": 1}, r"stage\.flag: expected bool, got 1"),
        ({"flag": "yes"}, r"stage\.flag: expected bool, got 'yes'"),
        ({"inner": {"rate": 1.0, "steps": 2.0}}, r"stage\.inner\.steps: expected int, got 2\.0"),
        ({"inner": {"rate": 1.0, "steps": True}}, r"stage\.inner\.steps: expected int, got True"),
        ({"inner": {"rate": True}}, r"stage\.inner\.rate: expected float, got True"),
        ({"inner": {"rate": "fast"}}, r"stage\.inner\.rate: expected float, got 'fast'"),
        ({"inner": 3}, r"stage\.inner: expected a mapping of settings, got 3"),
        ({"inner": None}, r"stage\.inner: expected a mapping of settings, got None"),
        ({"size": [1]}, r"stage\.size: expected 2 values, got 1"),
        ({"size": [1, 2, 3]}, r"stage\.size: expected 2 values, got 3"),
        ({"size": 3}, r"stage\.size: expected a list, got 3"),
        ({"size": "12"}, r"stage\.size: expected a list, got '12'"),
        ({"size": [1, "2"]}, r"stage\.size\[1\]: expected int, got '2'"),
        ({"rates": [0.1, None]}, r"stage\.rates\[1\]: expected float"),
        ({"words": [1]}, r"stage\.words\[0\]: expected str, got 1"),
        ({"parts": [1]}, r"stage\.parts: expected a mapping, got \[1\]"),
        ({"colour": "red"}, r"stage\.colour: 'red' is not one of 'grey', 'blue'"),
        ({"fit": "squash"}, r"stage\.fit: 'squash' is not one of 'pad', 'crop'"),
        ({"limit": "3"}, r"stage\.limit: expected int, got '3'"),
        ({"either": 1.5}, r"stage\.either: expected int, got 1\.5"),
    ],
)
def test_wrong_values_are_named_with_their_place(change: dict[str, Any], match: str) -> None:
    refused(change, match)


def test_exponents_that_yaml_reads_as_text_are_numbers() -> None:
    plain = yaml.safe_load("{name: x, inner: {rate: 1e-4}, rates: [5E3, .5, 2]}")
    assert plain["inner"]["rate"] == "1e-4"
    outer = from_dict(Outer, plain)
    assert outer.inner.rate == 1e-4
    assert outer.rates == (5000.0, 0.5, 2.0)


def test_optional_and_union_values() -> None:
    assert from_dict(Outer, LEAST | {"limit": None, "path": None}).limit is None
    assert from_dict(Outer, LEAST | {"limit": 3}).limit == 3
    assert from_dict(Outer, LEAST | {"either": "text"}).either == "text"


def test_not_a_mapping() -> None:
    with pytest.raises(RecipeError, match=r"Outer: expected a mapping of settings, got \[1\]"):
        from_dict(Outer, [1])  # type: ignore[arg-type]
