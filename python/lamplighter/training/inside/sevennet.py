"""What the sections of SevenNet's input take: `sevennet.py ANSWER.json` writes versions and settings."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

if __name__ == "__main__":
    from sevenn import _const

    known = {
        "model": [*_const.DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG, "chemical_species"],
        "train": [*_const.DEFAULT_TRAINING_CONFIG, "device"],
        "data": [*_const.DEFAULT_DATA_CONFIG, "load_trainset_path", "load_validset_path", "load_testset_path"],
    }
    versions = {name: version(name) for name in ("sevenn", "torch", "e3nn")}
    Path(sys.argv[1]).write_text(json.dumps({"settings": known, "versions": versions}), encoding="utf-8")
