"""Settings from YAML: a mistake is one line that names the key, what was wrong and the nearest name there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, model_validator

from mezzofanti.errors import ConfigurationError
from mezzofanti.records import Record
from mezzofanti.settings import known_keys, read_yaml, validated


class Apple(Record):
    kind: Literal["apple"]
    colour: str = "red"
    count: int = Field(1, ge=1)


class Pear(Record):
    kind: Literal["pear"]
    weight: float = 0.1
    counted: bool = False


class Wheels(Record):
    radius: float = 0.3
    spokes: int = 36


class Basket(Record):
    name: str
    wheels: Wheels = Wheels()
    spare: Wheels | None = None
    fruit: tuple[Annotated[Apple | Pear, Field(discriminator="kind")], ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> Basket:
        if self.name == "full" and self.fruit:
            raise ValueError("a full basket takes no fruit.")
        return self


def explained(content: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        validated(Basket, content, "b.yaml")
    assert caught.value.cure
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_right_is_taken() -> None:
    basket = validated(Basket, {"name": "n", "wheels": {"spokes": 32}, "fruit": [{"kind": "pear"}]}, "b.yaml")
    assert (basket.wheels.spokes, basket.fruit) == (32, (Pear(kind="pear"),))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"nam": "n"}, "b.yaml: unknown key 'nam'. Did you mean 'name'?"),
        ({"name": "n", "wheels": {"spoke": 3}}, "unknown key 'wheels.spoke'. Did you mean 'spokes'?"),
        ({"name": "n", "spare": {"radus": 3}}, "unknown key 'spare.radus'. Did you mean 'radius'?"),
        # "counted" is nearer, but it is a pear's
        (
            {"name": "n", "fruit": [{"kind": "apple", "countd": 3}]},
            "'fruit.0.apple.countd'. Did you mean 'count'?",
        ),
        (
            {"name": "n", "fruit": [{"kind": "pear", "countd": 3}]},
            "'fruit.0.pear.countd'. Did you mean 'counted'?",
        ),
        ({"name": "n", "xyz": 3}, "unknown key 'xyz'. Known: name, wheels, spare, fruit, options."),
        ({"wheels": {}}, "b.yaml: 'name' is missing. Add it."),
        ({"name": "n", "fruit": [{"kind": "aple"}]}, "'fruit.0' has no kind 'aple'. Did you mean 'apple'?"),
        (
            {"name": "n", "fruit": [{"colour": "red"}]},
            "'fruit.0' does not say its 'kind'. Add 'kind:' to it.",
        ),
        (
            {"name": "n", "fruit": [{"kind": "apple", "count": 0}]},
            "b.yaml: 'fruit.0.apple.count': Input should be",
        ),
        ({"name": "n", "wheels": {"spokes": "many"}}, "'wheels.spokes': Input should be a valid integer"),
        ({"name": "full", "fruit": [{"kind": "pear"}]}, "b.yaml: a full basket takes no fruit. Change it"),
        ([1], "b.yaml holds no mapping."),
        (None, "b.yaml holds no mapping."),
        ("words", "b.yaml holds no mapping."),
    ],
)
def test_a_mistake_is_named_where_it_is(content: Any, says: str) -> None:
    assert says in explained(content)


def test_a_misspelling_is_told_before_what_it_leaves_missing() -> None:
    assert "'nmae'" in explained({"nmae": "n"})


def test_keys_are_known_by_place() -> None:
    assert known_keys(Basket) == ["name", "wheels", "spare", "fruit", "options"]
    assert known_keys(Basket, ("wheels",)) == known_keys(Basket, ("spare",)) == ["radius", "spokes"]
    assert known_keys(Basket, ("fruit", 0, "pear")) == ["kind", "weight", "counted"]
    assert known_keys(Basket, ("fruit", 3)) == ["kind", "colour", "count", "weight", "counted"]


@pytest.mark.parametrize("content", ["a: [1", "\ta: 1", "a: b: c", b"\xff\xfe\x00"])
def test_what_is_not_yaml_is_said_in_one_line(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match=r"r\.yaml is not valid YAML") as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)


def test_yaml_is_read_safely(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("a: !!python/object/apply:os.getpid []")
    with pytest.raises(ConfigurationError, match="not valid YAML"):
        read_yaml(tmp_path / "r.yaml")


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_an_absent_file_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no recipe"):
        read_yaml(tmp_path / name)
