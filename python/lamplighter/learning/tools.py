"""What the loop is handed, as it trains, evaluates and compiles nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamplighter.learning.judgement import Predict
from lamplighter.learning.learning import Learning
from lamplighter.learning.quality import Ask
from lamplighter.training.train import Training
from lamplighter.training.train_file import TrainFile


@dataclass(frozen=True)
class Tools:
    """What the loop is handed, as it evaluates no models itself.

    Attributes:
        train: Train what a resolved train file says.
        predict: What a model file says of frames.
        compiled: Compile models, with a file of their training set, into a file.
        quality: Q of run folders.
        say: Told what is done.
        after_each: Called with what there is, after each generation.
        progress: Show the progress of parts on a terminal.
    """

    train: Callable[[TrainFile], Training]
    predict: Predict
    compiled: Callable[[Sequence[Path], Path, Path], None]
    quality: Ask
    say: Callable[[str], None] = lambda text: None
    after_each: Callable[[Learning], None] = lambda learning: None
    progress: bool = True
