"""Checks that every potential must pass, for backends here and elsewhere. See docs/reference/potentials.md.

    python -m lamplighter.conformance my_package.conformance:subjects

`subjects` is a function without arguments that returns a list of `Subject`.
"""

from lamplighter.conformance.subject import Subject

__all__ = ["Subject"]
