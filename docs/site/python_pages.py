"""The directive `lamplighter-api`: what `import lamplighter` offers, from its docstrings, which are Markdown."""

from __future__ import annotations

import inspect
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import lamplighter

_SECTION = re.compile(r"^(Args|Attributes|Example|Raises|Returns|Yields):$")
_PAGE = re.compile(r"(?<![`\w/(\[])(docs/([\w/]+\.md))")
_TEXT = {"Returns", "Example"}
_ENTRY = re.compile(r"^    ([\w*][\w.*, ]*?)(?: \(.*?\))?: (.*)$")


def docstring_as_markdown(text: str) -> str:
    """Google's sections as lists; all else is Markdown already."""
    lines: list[str] = []
    section = ""
    in_example = False
    for line in inspect.cleandoc(text).splitlines():
        if line == "Example:":
            in_example = True
            lines += ["", "**Example**", ""]
            continue
        if in_example:
            lines.append(line.removeprefix("    "))
            continue
        if heading := _SECTION.match(line):
            section = heading[1]
            lines += ["", f"**{section}**", ""]
        elif section and line.startswith("    "):
            entry = _ENTRY.match(line)
            if section in _TEXT:
                lines.append(line[4:])
            else:
                lines.append(f"- `{entry[1]}`: {entry[2]}" if entry else f"  {line.strip()}")
        else:
            section = section if not line.strip() else ""
            lines.append(line)
    return _PAGE.sub(r"[\1](../\2)", "\n".join(lines))


class _Words(str):
    """An annotation as it is written, without quotes."""

    __repr__ = str.__str__


def _unquoted(annotation: Any) -> Any:
    return _Words(annotation) if isinstance(annotation, str) else annotation


def _signature(name: str, value: Any) -> str:
    """A call as it is written, with a parameter a line where one line would be long."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    parameters = [each.replace(annotation=_unquoted(each.annotation)) for each in signature.parameters.values()]
    signature = signature.replace(parameters=parameters, return_annotation=_unquoted(signature.return_annotation))
    line = f"{name}{signature}"
    if len(line) <= 90 or not parameters:
        return line
    # commas within brackets belong to an annotation
    separate = re.sub(r", (?=(?:\*\*?|\w+: |\w+=|\*,|/))", ",\n    ", line)
    opening, _, rest = separate.partition("(")
    inside, closing, after = rest.rpartition(")")
    return f"{opening}(\n    {inside},\n{closing}{after}"


def _public(cls: type) -> list[tuple[str, Any]]:
    """Methods and properties of a class with docstrings of their own."""
    own = [(name, value) for name, value in vars(cls).items() if not name.startswith("_")]
    functions = [(name, getattr(value, "fget", None) or getattr(value, "func", None) or value) for name, value in own]
    return [(name, value) for name, value in functions if inspect.isfunction(value) and value.__doc__]


def name_as_markdown(name: str) -> str:
    """One name of the package: a function, or a class with its methods and properties."""
    value = getattr(lamplighter, name)
    lines = [f"### {name}", ""]
    is_error = inspect.isclass(value) and issubclass(value, Exception)
    if callable(value) and not is_error:
        lines += ["```python", _signature(f"lamplighter.{name}", value), "```", ""]
    lines += [docstring_as_markdown(value.__doc__ or ""), ""]
    if inspect.isclass(value) and not is_error:
        for own, function in _public(value):
            in_class = isinstance(inspect.getattr_static(value, own), property | staticmethod | classmethod)
            shown = own if in_class or not inspect.isfunction(vars(value)[own]) else _signature(own, function)
            lines += [f"`{shown}`", "", docstring_as_markdown(function.__doc__ or ""), ""]
    return "\n".join(lines)


class Api(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the page changes with the program, not with its own text
        values = {name: getattr(lamplighter, name) for name in lamplighter.__all__}
        errors = [name for name, value in values.items() if inspect.isclass(value) and issubclass(value, Exception)]
        classes = [name for name, value in values.items() if inspect.isclass(value) and name not in errors]
        functions = [name for name in values if name not in errors and name not in classes]
        parts = {"Functions": functions, "Classes": classes, "Errors": errors}
        text = "\n".join(
            "\n".join([f"## {title}", "", *(name_as_markdown(name) for name in names)])
            for title, names in parts.items()
        )
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("lamplighter-api", Api)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
