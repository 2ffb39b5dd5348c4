"""slo.toml: what must be true of a run. Unknown names, missing units and typing errors are input errors."""

import sys
import tomllib
from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from results.analysis.slo_grammar import Threshold, duration_us, parse
from results.exit_codes import ExitCode
from results.limits import DEFAULT_LIMITS, Limits
from stations.errors import PlanError

_GENERATOR_TIMES: Final = {
    "loop_delay_p99": "loop_delay_p99_us",
    "gen_lag_p99": "gen_lag_p99_us",
    "canary_p99": "canary_p99_us",
    "clock_offset": "clock_offset_us",
}
_GENERATOR_SHARES: Final = {
    "cpu": ("cpu_percent", 100.0),
    "bad_seconds": ("bad_seconds_share", 1.0),
    "dropped_deadlines": ("dropped_deadlines_share", 1.0),
}


class Slo(Struct, frozen=True):
    """One named threshold."""

    name: str
    threshold: Threshold
    min_samples: int | None = None  # None: what the statistic needs
    abort: bool = False
    grace_us: int = 0


class SloFile(Struct, frozen=True):
    """A parsed slo.toml."""

    path: str
    slos: tuple[Slo, ...]
    phase: str | None = None
    limits: Limits = DEFAULT_LIMITS


def load(path: Path | str) -> SloFile:
    """Read slo.toml; PlanError names file, place and mend."""
    try:
        found = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise PlanError(f"{path}: cannot be read ({error.strerror}); name a thresholds file") from error
    except UnicodeDecodeError as error:
        raise PlanError(f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{path}: not TOML ({error})") from error
    return from_mapping(found, str(path))


def from_mapping(found: Mapping[str, Any], where: str) -> SloFile:
    """The same from an already decoded document."""
    _only(found, {"version", "defaults", "slos", "generator"}, where)
    if found.get("version") != 1:
        raise PlanError(f"{where}: version is {found.get('version')!r}; write version = 1")
    defaults = _table(found, "defaults", where)
    _only(defaults, {"phase", "min_samples"}, f"{where}: [defaults]")
    slos = _table(found, "slos", where)
    if not slos:
        raise PlanError(f"{where}: no thresholds; write some under [slos]")
    return SloFile(
        where,
        tuple(_slo(name, given, defaults, f"{where}: slos.{name}") for name, given in slos.items()),
        _text(defaults, "phase", f"{where}: [defaults]"),
        _limits(_table(found, "generator", where), f"{where}: [generator]"),
    )


def check_phases(slos: SloFile, phases: Iterable[str]) -> None:
    """PlanError when a threshold or the defaults name a phase that the run cannot have."""
    known = list(dict.fromkeys(phases))
    named = [(f"slos.{slo.name}", slo.threshold.phase) for slo in slos.slos]
    for place, phase in [("[defaults]", slos.phase), *named]:
        if phase is not None and phase not in known:
            raise PlanError(f"{slos.path}: {place}: no phase {phase!r}; the run has {', '.join(known)}")


def _slo(name: str, given: Any, defaults: Mapping[str, Any], where: str) -> Slo:
    table = {"check": given} if isinstance(given, str) else given
    if not isinstance(table, Mapping):
        raise PlanError(f"{where}: write a string or a table with check = …")
    _only(table, {"check", "abort", "grace", "min_samples"}, where)
    check = _text(table, "check", where)
    if check is None:
        raise PlanError(f"{where}: check is missing")
    grace = _text(table, "grace", where)
    return Slo(
        name,
        parse(check, where),
        _count(table.get("min_samples", defaults.get("min_samples")), where),
        _flag(table.get("abort", False), where),
        duration_us(grace, where) if grace else 0,
    )


def _limits(given: Mapping[str, Any], where: str) -> Limits:
    _only(given, {*_GENERATOR_TIMES, *_GENERATOR_SHARES}, where)
    changed: dict[str, Any] = {}
    for name, value in given.items():
        place = f"{where}.{name}"
        if name in _GENERATOR_TIMES:
            changed[_GENERATOR_TIMES[name]] = duration_us(str(value), place)
        else:
            field, scale = _GENERATOR_SHARES[name]
            changed[field] = _share(value, place) * scale
    return msgspec.structs.replace(DEFAULT_LIMITS, **changed)


def _share(value: Any, where: str) -> float:
    text = str(value)
    try:
        if text.endswith("%"):
            share = float(text[:-1]) / 100
            if 0 <= share < inf:
                return share
    except ValueError:
        pass
    raise PlanError(f"{where}: {value!r} is no share; write 85%")


def _only(table: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(table.keys() - known)
    if unknown:
        raise PlanError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(sorted(known))}")


def _table(found: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    table = found.get(name, {})
    if not isinstance(table, Mapping):
        raise PlanError(f"{where}: {name} must be a table, [{name}]")
    return table


def _text(table: Mapping[str, Any], name: str, where: str) -> str | None:
    value = table.get(name)
    if value is not None and not isinstance(value, str):
        raise PlanError(f"{where}: {name} must be a string")
    return value


def _count(value: Any, where: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise PlanError(f"{where}: min_samples must be a whole number, not {value!r}")
    return value


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise PlanError(f"{where}: abort must be true or false")
    return value


def main(words: list[str]) -> int:
    """`python -m results.analysis.slo FILE PHASE …`: what is wrong with a thresholds file."""
    try:
        check_phases(load(words[0]), words[1:])
    except PlanError as mistake:
        sys.stderr.write(f"{mistake}\n")
        return ExitCode.INPUT
    return ExitCode.PASS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
