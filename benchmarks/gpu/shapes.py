"""Models of random weights in the shapes of foundation models, as peers.py has them: `shapes.py FOLDER`.

medium.model is 128x0e + 128x1o at 6 Å, small.model 128x0e at 6 Å.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import peers

NAMES = {"medium": "128x0e+128x1o", "small": "128x0e"}


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, shape in NAMES.items():
        peers.model_of(shape, folder).rename(folder / f"{name}.model")


if __name__ == "__main__":
    main()
