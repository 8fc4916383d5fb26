"""What the pages of the site take from the package itself, so that they cannot go stale: a hook of MkDocs.

A line `{{ name }}` of a page is replaced by what the function of that name in `MAKERS` returns.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import typing
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

from radloom.config import to_dict


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by MkDocs with the text of each page."""
    return re.sub(r"^\{\{ (\w+) \}\}$", lambda found: MAKERS[found[1]](), markdown, flags=re.MULTILINE)


def card() -> str:
    """The card of the shipped model, without its title, which the page has."""
    text = (files("radloom") / "weights" / "nano" / "README.md").read_text(encoding="utf-8")
    return text.partition("\n")[2]


def commands() -> str:
    """The help of every command."""
    from typer.testing import CliRunner

    from radloom.cli import app
    from radloom.cli.base import ORDER

    below = {group.name: [c.name for c in group.typer_instance.registered_commands] for group in app.registered_groups}
    names = [f"{name} {kind}".rstrip() for name in ORDER for kind in below.get(name, [""])]
    parts = []
    for name in names:
        result = CliRunner().invoke(app, [*name.split(), "--help"], prog_name="radloom", env={"COLUMNS": "96"})
        parts += [f"## radloom {name}", f"```text\n{result.stdout.strip()}\n```"]
    return "\n\n".join(parts)


def recipes() -> str:
    """The recipes of the package, with what they say of themselves."""
    from radloom.recipes.recipe import load_recipe, names

    rows = [f"| `{name}` | {load_recipe(name).about} |" for name in names()]
    return "\n".join(["| recipe | makes |", "|---|---|", *rows])


def stages() -> str:
    """The settings of every kind of stage with those of their groups, of the loop that all share, and of a corpus."""
    from radloom.recipes.recipe import KINDS, CorpusConfig
    from radloom.training import LoopConfig

    parts = []
    for kind, stage in KINDS.items():
        parts += [f"### {kind}", _text(stage), _settings(stage)]
        for name, group in _groups(stage):
            if group is not LoopConfig:
                parts += [f"#### {name} of {kind}", _text(group), _settings(group)]
    parts += ["### train", _text(LoopConfig), _settings(LoopConfig)]
    return "\n\n".join([*parts, "### corpora", _text(CorpusConfig), _settings(CorpusConfig)])


def _groups(config: type) -> Iterator[tuple[str, type]]:
    """The settings of a dataclass that are groups of settings themselves, those within groups by a dotted name."""
    for name, hint in typing.get_type_hints(config).items():
        for kind in typing.get_args(hint) or (hint,):
            if dataclasses.is_dataclass(kind) and isinstance(kind, type):
                yield name, kind
                yield from ((f"{name}.{inner}", group) for inner, group in _groups(kind))


def columns() -> str:
    """The table of columns in the text of `prepare folder`."""
    from radloom.corpora import folder

    return "\n".join(line for line in (folder.__doc__ or "").splitlines() if line.startswith("|"))


def measures() -> str:
    """What every score means."""
    from radloom.evaluation.glossary import MEASURES, better

    return "\n".join(f"- `{name}` {better(name)}: {text}" for name, text in sorted(MEASURES.items()))


def systems() -> str:
    """What stands beside the model's score in a table."""
    from radloom.evaluation.glossary import SYSTEMS

    return "\n".join(f"- `{name}`: {text}" for name, text in SYSTEMS.items())


# -- HTTP ------------------------------------------------------------------------------------------------------------


def http() -> str:
    """The routes of the service, from its own OpenAPI description."""
    from radloom.serving.app import create_app
    from radloom.serving.service import Service

    described = create_app(Service()).openapi()
    schemas = described["components"]["schemas"]
    parts = []
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            parts += [f"## {method.upper()} {path}", inspect.cleandoc(route["description"])]
            for sent in route.get("requestBody", {}).get("content", {}).values():
                parts += ["Fields of the form:", _fields(_named(sent["schema"], schemas), asked=True)]
            parts += _answers(route["responses"]["200"].get("content", {}), schemas)
    return "\n\n".join(parts)


def _answers(content: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    for media_type, answer in content.items():
        name = answer.get("schema", {}).get("$ref", "").rpartition("/")[2]
        if not name:
            yield f"Answer: `{media_type}`."
            continue
        yield f"Answer: `{media_type}`, an object."
        yield _fields(schemas[name], asked=False)
        for inner in _within(name, schemas):
            if "enum" in schemas[inner]:
                yield f"{inner} is one of {', '.join(f'`{value}`' for value in schemas[inner]['enum'])}."
            else:
                yield f"{inner}:"
                yield _fields(schemas[inner], asked=False)


def _within(name: str, schemas: dict[str, Any]) -> list[str]:
    """Names of all schemas that one is made of, however deep."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        inner = set(re.findall(r"schemas/(\w+)", str(schemas[waiting.pop()].get("properties", "")))) - found
        found |= inner
        waiting += inner
    return sorted(found)


def _named(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def _fields(schema: dict[str, Any], *, asked: bool) -> str:
    """A table of an object's fields: of one that is asked for, with what is sent by default and what it means."""
    rows = [["field", "kind", "default", ""], ["---"] * 4]
    for name, field in schema["properties"].items():
        default = "required" if name in schema.get("required", ()) else f"`{field.get('default', 'none')}`"
        rows.append([f"`{name}`", _kind(field), default, field.get("description", "")])
    return "\n".join("| " + " | ".join(row if asked else row[:2]) + " |" for row in rows)


def _kind(field: dict[str, Any]) -> str:
    """The type of a field in words, with its bounds."""
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    if len(kinds) > 1:
        return " or ".join(map(_kind, kinds))
    [kind] = kinds
    if "$ref" in kind:
        return str(kind["$ref"]).rpartition("/")[2]
    if "contentMediaType" in kind:
        return "file"
    if kind["type"] == "array":
        return f"list of {_kind(kind['items'])}"
    if kind["type"] == "object":
        return f"object of {_kind(kind['additionalProperties'])}" if kind.get("additionalProperties") else "object"
    bounds = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most"}
    told = [f"{word} {kind[key]:g}" for key, word in bounds.items() if abs(kind.get(key, 1e9)) < 1e9]
    return ", ".join([kind["type"], *told])


# -- Python ----------------------------------------------------------------------------------------------------------


def python() -> str:
    """Every public name of the package, from its docstring and signature."""
    import radloom
    from radloom.completion import Denoising
    from radloom.model_folder import Sampling

    named = {name: getattr(radloom, name) for name in radloom.__all__ if not name.startswith("_")}
    parts = []
    for name, thing in (named | {"Sampling": Sampling, "Denoising": Denoising}).items():
        parts += [f"## {name}", *_described(name, thing)]
    return "\n\n".join(parts)


def _described(name: str, thing: Any) -> Iterator[str]:
    if not callable(thing):
        yield "\n".join(f"- {item}" for item in thing)
        return
    if dataclasses.is_dataclass(thing) or inspect.isfunction(thing):
        yield f"```python\n{name}{_signature(thing)}\n```"
    yield _text(thing)
    if inspect.isclass(thing):
        for method, function in vars(thing).items():
            if inspect.isfunction(function) and not method.startswith("_"):
                yield f"### {name}.{method}"
                yield f"```python\n{method}{_signature(function)}\n```"
                yield _text(function)


def _signature(function: Callable[..., Any]) -> str:
    """The signature without `self`, over several lines where it is long."""
    signature = inspect.signature(function)
    given = [p for p in signature.parameters.values() if p.name != "self"]
    whole = _bare(signature.replace(parameters=given))
    if len(whole) < 90:
        return whole
    lines, keyword = [], False
    for parameter in given:
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword:
            lines, keyword = [*lines, "*"], True
        lines.append(_bare(parameter))
    tail = whole[whole.rindex(")") :]
    return "(\n" + "".join(f"    {line},\n" for line in lines) + tail


def _bare(signature: inspect.Signature | inspect.Parameter) -> str:
    """Without the quotes around annotations, which are strings in every module; members of enumerations as strings."""
    bare = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(signature))
    return re.sub(r"<\w+\.\w+: ([\w-]+)>", r"'\1'", bare).removesuffix(" -> None")


def _text(thing: Any) -> str:
    """A docstring as Markdown: the sections of arguments, attributes and errors become lists."""
    lines: list[str] = []
    for line in inspect.cleandoc(thing.__doc__ or "").splitlines():
        if re.fullmatch(r"(Args|Attributes|Returns|Raises|Warns):", line):
            lines += ["", f"**{line.rstrip(':')}**", ""]
        elif found := re.match(r" {4}([\w, ]+): (.*)", line):
            lines.append(f"- `{found[1]}`: {found[2]}")
        else:
            lines.append(re.sub(r"^ {4,}", "  ", line))
    return "\n".join(lines)


def _settings(config: type) -> str:
    """The defaults of a configuration as one line of YAML each."""
    lines = []
    for field in dataclasses.fields(config):
        default = field.default
        if default is dataclasses.MISSING and field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if default is not dataclasses.MISSING and not dataclasses.is_dataclass(default):
            lines.append(f"{field.name}: {json.dumps(to_dict(default))}")
    return "Defaults: " + ", ".join(f"`{line}`" for line in lines) + "." if lines else ""


MAKERS: dict[str, Callable[[], str]] = {
    f.__name__: f for f in (card, commands, recipes, stages, columns, measures, systems, http, python)
}
