"""What a model file says about itself: the same facts of every format. `describe` reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Description:
    """What a file says about itself. What it does not say is None or empty.

    Attributes:
        path: The file.
        sha256: Of its content.
        framework: MACE, SevenNet, NequIP, Allegro, DeePMD, GAP, an ASE calculator, or how Lamplighter calls its own.
        form: What kind of file of this framework it is.
        needs: What runs it.
        version: Of the framework that wrote it.
        elements: Symbols of the elements that it knows, in its own order.
        cutoff: Å.
        layers: Interactions, convolutions or Allegro layers.
        precision: float32 or float64.
        parameters: How many numbers were fitted.
        atomic_energies: eV, of the lone atoms or the shifts that stand for them, by element.
        descriptors: Of a GAP: what each is, of which elements, with how many sparse points.
        heads: Names of heads or modalities.
        head: Which of them a run uses that names none; None: it has to name one, or there are none.
        exchanges: Whether ranks exchange node features in it.
        notes: Lines on what could not be told, and why.
    """

    path: Path
    sha256: str
    framework: str
    form: str
    needs: str
    version: str | None = None
    elements: list[str] = field(default_factory=list)
    cutoff: float | None = None
    layers: int | None = None
    precision: str | None = None
    parameters: int | None = None
    atomic_energies: dict[str, float] = field(default_factory=dict)
    descriptors: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    head: str | None = None
    exchanges: bool | None = None
    notes: list[str] = field(default_factory=list)
