"""Figures as SVG inside a page: colours that follow its light and dark mode, text as text, and bounded in size."""

from __future__ import annotations

import io
import re

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from lamplighter.report.drawing import any_text, own_settings

MOST_POINTS = 4000
"""Lines of more points become pixels inside the SVG: each point takes about 15 bytes."""

_VARIABLES = {  # of the palette in drawing.py, and of greys; the page defines them for light and dark
    "#0072b2": "blue",
    "#d55e00": "vermilion",
    "#009e73": "green",
    "#cc79a7": "purple",
    "#e69f00": "orange",
    "#56b4e9": "sky",
    "#000000": "ink",
    "#ffffff": "card",
    "#e5e5e5": "grid",
    "#e6e6e6": "grid",
    "#808080": "grey",
    "#8c8c8c": "grey",
    "#404040": "soft",
    "#595959": "soft",
    "#666666": "soft",
    "#b2b2b2": "grey",
    "#b3b3b3": "grey",
    "#cccccc": "grid",
}
_COLOUR = re.compile(r"#[0-9a-f]{6}\b", re.I)


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """The `<svg>` element of a figure.

    Args:
        figure: Lines of more than `MOST_POINTS` points in it become pixels.
        name: Different for each figure of the page, so that references inside do not meet.
        description: For readers that do not see it.
    """
    for axis in figure.axes:
        for line in axis.lines:
            if len(np.asarray(line.get_xdata())) > MOST_POINTS:
                line.set_rasterized(True)
    buffer = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": name, "savefig.transparent": True}
    with own_settings(), matplotlib.rc_context(settings), any_text(figure):
        figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = _COLOUR.sub(lambda found: _variable(found.group()), text)
    text = re.sub(r'\s(width|height)="[0-9.]+pt"', "", text, count=2)
    start = f'<svg role="img" aria-label="{_attribute(description)}"'
    return text.replace("<svg", start, 1)


def _variable(colour: str) -> str:
    name = _VARIABLES.get(colour.lower())
    return f"var(--{name})" if name else colour


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
