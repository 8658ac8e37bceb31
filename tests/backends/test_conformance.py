"""All checks of `lamplighter.conformance` on all backends that are installed."""

from __future__ import annotations

from lamplighter.conformance.checks import *  # noqa: F403
