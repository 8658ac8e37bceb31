"""How programs that are measured take turns: each waits, asleep, for a file that names its next turn.

A program lives in its own folder. It writes `ready.json` once it holds its model and has its first forces, then
looks for `turn-0.json`, `turn-1.json`, … and writes `answer-0.json`, `answer-1.json`, … MPI offers no wait that
leaves the processor to others (a barrier spins), so every rank looks for the file by itself, and sleeps between.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOOK_EVERY = 0.005  # s
LOOK_FOR_DRIVER_EVERY = 0.5  # s

Turn = Callable[[int], "dict[str, Any] | None"]


def arguments(description: str | None) -> argparse.Namespace:
    """The command line of a program that is measured; `side_process` writes it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", type=Path, required=True, help="where turns are announced and answered")
    parser.add_argument("--structure", type=Path, required=True, help="folder with structure.traj and structure.data")
    parser.add_argument("--backend", default="mace", help="as backends.py names it")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--engine", default="auto", help="of pair_style lamplighter")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--even", action="store_true", help="shift the planes between ranks: as many atoms for each")
    parser.add_argument("--driver", type=int, required=True, help="process to outlive under no circumstances")
    return parser.parse_args()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file that appears as a whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content), encoding="utf-8")
    part.replace(path)


def enter(folder: Path, rank: int) -> None:
    """Tell the driver who we are, so that it can end us; call it first."""
    write_json(folder / f"process-{rank}.json", {"pid": os.getpid()})


def serve(folder: Path, rank: int, driver: int, take_turn: Turn) -> None:
    """Take turns until told to stop, or until the driver is gone. All ranks call it.

    Args:
        folder: The program's folder.
        rank: Rank 0 answers for all.
        driver: Process id of the driver.
        take_turn: Makes so many steps of dynamics; what it returns on rank 0 is the answer.
    """
    number = 0
    while True:
        task = _next(folder / f"turn-{number}.json", driver)
        if task is None or task.get("stop"):
            return
        answer = take_turn(int(task["steps"]))
        if rank == 0:
            write_json(folder / f"answer-{number}.json", answer or {})
        number += 1


def peak_memory() -> float:
    """Peak resident memory of this process so far, MiB."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def _next(path: Path, driver: int) -> dict[str, Any] | None:
    look_for_driver = 0.0
    while not path.exists():
        now = time.monotonic()
        if now >= look_for_driver:
            if not _alive(driver):
                return None
            look_for_driver = now + LOOK_FOR_DRIVER_EVERY
        time.sleep(LOOK_EVERY)
    task: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return task


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
