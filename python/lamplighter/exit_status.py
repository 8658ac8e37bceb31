"""Exit statuses of all commands (docs/reference/command_line.md). Verdicts, errors and faults of the program differ."""

GOOD = 0
ERROR = 1
"""A message says what is wrong and what to do. `check` has 1 for a violation, and 2 for this."""

USAGE = 2
"""Options that are not understood."""

FAULT = 70
"""A fault of the program, with its traceback: never a verdict (EX_SOFTWARE of sysexits.h)."""

OUTPUT_LOST = 74
"""Output could not be written, on a full disk for example: somebody has to make room first (EX_IOERR)."""

LATER = 75
"""Go on later: time was up, SIGTERM or SIGUSR1 came, or the run folder is in use (EX_TEMPFAIL)."""

INTERRUPTED = 130
"""Ctrl-C; 128 + the number of the signal in general."""
