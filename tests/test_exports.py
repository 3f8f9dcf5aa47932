"""What each module offers is what its `__all__` says."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import syncline
import syncline_protocol
import syncline_server
from syncline import errors

PACKAGES = {package.__name__: package for package in (syncline, syncline_protocol, syncline_server)}


def list_modules() -> list[str]:
    """The full name of every module of the three packages; the packages themselves excluded."""
    found = []
    for package in PACKAGES.values():
        [root] = package.__path__
        for path in sorted(Path(root).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if parts[-1] not in ("__init__", "__main__"):
                found.append(".".join([package.__name__, *parts]))
    return found


MODULES = list_modules()


def definitions(module: ModuleType) -> Iterator[tuple[str, bool]]:
    """What stands at the top of a module, and whether a docstring says what it is."""
    statements = ast.parse(inspect.getsource(module)).body
    for statement, following in zip(statements, [*statements[1:], ast.Pass()], strict=True):
        match statement, following:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef(), _:
                yield statement.name, ast.get_docstring(statement) is not None
            case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(target=ast.Name(name)), _:
                yield name, isinstance(following, ast.Expr)


def imports(module: ModuleType) -> Iterator[tuple[str, str]]:
    """The names that a module takes from modules of ours, each after its module's full name."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ImportFrom):
            source = importlib.util.resolve_name(
                "." * node.level + (node.module or ""), module.__package__
            )
            if source in MODULES:
                yield from ((source, alias.name) for alias in node.names)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_lists_what_it_defines_each_once(name: str) -> None:
    module = importlib.import_module(name)

    assert len(module.__all__) == len(set(module.__all__))
    assert set(module.__all__) <= dict(definitions(module)).keys()


@pytest.mark.parametrize("name", MODULES)
def test_a_module_takes_from_others_only_what_they_list(name: str) -> None:
    module = importlib.import_module(name)

    assert [
        f"{source}.{taken}"
        for source, taken in imports(module)
        if taken not in importlib.import_module(source).__all__
    ] == []


def test_the_client_package_offers_each_name_once_from_the_module_that_lists_it() -> None:
    offered = {name: source for source, name in imports(syncline)}

    assert len(syncline.__all__) == len(set(syncline.__all__))
    assert set(syncline.__all__) == offered.keys()
    for name, source in offered.items():
        assert name in importlib.import_module(source).__all__


@pytest.mark.parametrize(
    ("source", "name"), [pytest.param(*each, id=each[1]) for each in imports(syncline)]
)
def test_what_the_client_package_offers_is_documented(source: str, name: str) -> None:
    assert dict(definitions(importlib.import_module(source)))[name]


def test_every_exception_can_be_caught_by_a_name_of_the_client_package() -> None:
    assert set(errors.__all__) <= set(syncline.__all__)
