"""Whose fault an error is (design C10). `PeerError`, the central system's, lives with the wire format."""


class StationBug(AssertionError):  # noqa: N818 — a bug is what it is; the name says whose
    """Ours. Never caught silently: the station is retired, counted and shown; the run is untrusted."""


class PlanError(ValueError):
    """The user's input. The message is one line that names the file, the place in it and the mend."""
