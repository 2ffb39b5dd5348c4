"""The run folder: written while a load runs, opened afterwards with `results.open(path)`.

Recording (`schema`, `recorder`, `run`) and reading (`analysis`, with pandas) are apart: what reads is only
imported when it is asked for, so that a load worker does not carry it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from results.analysis.compare import compare
    from results.analysis.run import open_many, open_run

    open = open_run  # noqa: A001 — `results.open(path)` is what one wants to type

__all__ = ["compare", "open", "open_many"]


def __getattr__(name: str) -> Any:
    """`open`, `open_many` and `compare`, from the analysis package on first use."""
    if name in {"open", "open_many"}:
        from results.analysis import run  # noqa: PLC0415 — pandas comes only when somebody reads

        return run.open_run if name == "open" else run.open_many
    if name == "compare":
        from results.analysis.compare import compare  # noqa: PLC0415 — the same

        return compare
    raise AttributeError(f"module 'results' has no attribute {name!r}")
