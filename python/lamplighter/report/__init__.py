"""What is left of a run when it is over: a summary in numbers, a figure, a few lines for the terminal."""

from lamplighter.report.run_report import run_report
from lamplighter.report.text import format_summary

__all__ = ["format_summary", "run_report"]
