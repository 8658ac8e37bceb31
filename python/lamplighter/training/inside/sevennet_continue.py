"""The architecture of a checkpoint becomes part of an input: `sevennet_continue.py INPUT.yaml CHECKPOINT`.

SevenNet goes on with a checkpoint only where the input repeats its architecture, and takes its weights without looking
whether they fit by name. `sevenn checkpoint --get_yaml` leaves out what begins with an underscore. Numbers of
neighbours are left out here: SevenNet takes them from the weights, and does not read the list of them that it writes.
"""

import sys
from pathlib import Path

import yaml

if __name__ == "__main__":
    from sevenn import _const
    from sevenn.checkpoint import SevenNetCheckpoint

    file, checkpoint = Path(sys.argv[1]), sys.argv[2]
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    config = SevenNetCheckpoint(checkpoint).config
    names = _const.DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG.keys() & config.keys() - {"conv_denominator"}
    model = {name: config[name] for name in sorted(names)}
    content["model"] = {**model, "chemical_species": "auto", **content.get("model", {})}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
