"""Why there is no plugin that fits, in words for the user."""


class PluginProblem(Exception):
    """Something that keeps the plugin from being used: `reason` says what, `remedy` what to do.

    `lamplighter.plugin.require` turns it into `lamplighter.errors.PluginError`; `folder` prints it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy
