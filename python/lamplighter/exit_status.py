"""Exit statuses of all commands (docs/reference/command_line.md). Verdicts, errors and faults of the program differ."""

GOOD = 0
ERROR = 1
"""A message says what is wrong and what to do. `check` has 1 for a violation, and 2 for this."""

USAGE = 2
"""Options that are not understood."""

FAULT = 70
"""A fault of the program, with its traceback: never a verdict (EX_SOFTWARE of sysexits.h)."""

OUTPUT_LOST = 74
"""Standard output could not be written, on a full disk for example (EX_IOERR)."""

LATER = 75
"""The same command will do later: a run folder is in use, or cannot be written now (EX_TEMPFAIL)."""

INTERRUPTED = 130
"""Ctrl-C; 128 + the number of the signal in general."""
