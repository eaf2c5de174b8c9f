"""The shape of our modules as pure checks: text in, complaints out. The figures are the house's own."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

LONGEST_MODULE = 500
LONGEST_FUNCTION = 40
LARGEST_CLASS = 20  # methods
NAMES_THAT_SAY_NOTHING = {"base", "common", "helper", "helpers", "lib", "manager", "managers", "misc", "stuff", "util", "utils"}
UNFINISHED = re.compile(r"#\s*(?:TODO|FIXME|XXX|HACK)\b")
SENTENCE = re.compile(r"\S.*?[.](?:\s|$)", re.DOTALL)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def complaints(path: str, text: str) -> list[str]:
    """Everything that is wrong with the shape of one module, in the order of its lines."""
    tree = ast.parse(text)
    found = [*_name(path), *_length(text), *_docstring(tree), *_functions(tree), *_classes(tree), *_unfinished(text)]
    if PurePosixPath(path).name.startswith("test_"):
        found += _sentences(tree)
    return [f"{path}{complaint}" for complaint in found]


def doubles(paths: Iterable[str]) -> list[str]:
    """Test files that share their name with another one, which would make two tests look like one."""
    seen: dict[str, str] = {}
    found = []
    for path in paths:
        name = PurePosixPath(path).name
        if name.startswith("test_") and seen.setdefault(name, path) != path:
            found.append(f"{path}: has the name of {seen[name]}")
    return found


def imports(text: str) -> Iterator[str]:
    """The top-level name of each module that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def _name(path: str) -> Iterator[str]:
    parts = [*PurePosixPath(path).parent.parts, PurePosixPath(path).stem]
    for part in parts:
        if NAMES_THAT_SAY_NOTHING & set(part.lower().split("_")) and (part == parts[-1] or part in NAMES_THAT_SAY_NOTHING):
            yield f": {part!r} does not say what is in it"


def _length(text: str) -> Iterator[str]:
    lines = text.count("\n")
    if lines > LONGEST_MODULE:
        yield f": has {lines} lines, {LONGEST_MODULE} are allowed"


def _docstring(tree: ast.Module) -> Iterator[str]:
    docstring = ast.get_docstring(tree)
    if not docstring:
        yield ":1: does not begin with a docstring that says what may live there"
    elif not SENTENCE.match(docstring.split("\n\n")[0]):
        yield ":1: the first sentence of the docstring does not end with a full stop"


def _functions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, Function):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f":{node.lineno}: {node.name} has {lines} lines, {LONGEST_FUNCTION} are allowed"


def _classes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            methods = sum(isinstance(child, Function) for child in node.body)
            if methods > LARGEST_CLASS:
                yield f":{node.lineno}: {node.name} has {methods} methods, {LARGEST_CLASS} are allowed"


def _unfinished(text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if UNFINISHED.search(line):
            yield f":{number}: leaves a note where a test marked xfail would say what is missing"


def _sentences(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, Function) and node.name.startswith("test_") and len(node.name.split("_")) < 4:
            yield f":{node.lineno}: {node.name} is no sentence about the hotel"
