"""The best of a training's checkpoints becomes its model: `sevennet_best.py MODEL ANSWER.json PART...`.

The model has no state of the optimiser, which is two thirds of a checkpoint. What only a training that goes on needs,
checkpoints of other epochs and graphs of the frames, is removed.
"""

import csv
import json
import shutil
import sys
from collections import Counter
from pathlib import Path


def loss_of(part: Path, epoch: int) -> float:
    """On validation frames, by the table of a start of the program."""
    with (part / "lc.csv").open(encoding="utf-8", newline="") as lines:
        rows = {
            int(row["epoch"]): row for row in csv.DictReader(lines) if (row.get("validset_TotalLoss") or "").strip()
        }
    return float(rows[epoch]["validset_TotalLoss"])


if __name__ == "__main__":
    import torch
    from sevenn.train.graph_dataset import SevenNetGraphDataset

    model, answer, parts = Path(sys.argv[1]), Path(sys.argv[2]), [Path(each) for each in sys.argv[3:]]
    found = []
    for number, part in enumerate(parts):
        if (part / "checkpoint_best.pth").is_file():
            content = torch.load(part / "checkpoint_best.pth", map_location="cpu", weights_only=False)
            found.append((loss_of(part, content["epoch"]), -number, content))
    loss, number, content = min(found, key=lambda each: each[:2])
    content |= {"optimizer_state_dict": {}, "scheduler_state_dict": {}}

    graphs = SevenNetGraphDataset(
        content["config"]["cutoff"], root=str(parts[-1]), processed_name="trainset.pt", log=False
    )
    weights = Counter(float(each["data_weight"]["energy"]) if "data_weight" in each else 1.0 for each in graphs)
    said = {"part": parts[-number].name, "epoch": content["epoch"], "weights": sorted(weights.items())}
    answer.write_text(json.dumps(said), encoding="utf-8")

    partial = model.with_suffix(".part")
    torch.save(content, partial)
    partial.replace(model)
    for part in parts:
        shutil.rmtree(part / "sevenn_data", ignore_errors=True)
        for each in part.glob("checkpoint_*.pth"):
            if each.stem.removeprefix("checkpoint_") not in ("0", "best"):
                each.unlink()
