"""The live picture: seconds of workers added up on the master, bounded, judged as the analysis will."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.locust

from engine.bridge import pulse  # noqa: E402 — Locust patches the process: not while collecting
from engine.bridge.messages import Beat  # noqa: E402
from engine.bridge.pulse import LIVE_BINS, Pulse, by_action  # noqa: E402
from engine.bridge.web.live import WHOLE_POINTS, History, Live, Picture, Point  # noqa: E402
from engine.bridge.web.show import snapshot, whole  # noqa: E402
from engine.bridge.web.verdict import _PER_SECOND, TRUSTED, UNTRUSTED, WAITING, Watchman  # noqa: E402
from engine.bridge.web.words import WORDS  # noqa: E402
from results.columns import CallBatch  # noqa: E402
from results.histogram import exact_quantile  # noqa: E402
from results.schema import CALL_DTYPE  # noqa: E402

ACTIONS = ["Heartbeat", "MeterValues", "Reset"]
GOOD = {
    "stations": 5,
    "links": {"open": 4, "down": 1},
    "connectors": {"Charging": 2},
    "rules": {"RPC-5": 3},
    "sessions": 2,
    "power_w": 14_000.0,
    "backlog": 1,
    "reconnects": 0,
    "calls": 9,
    "waiting": 0,
    "findings": 3,
    "refusals": 0,
    "gen_lag_p99_us": 900,
    "loop_delay_p99_us": 1_000,
    "cpu_percent": 20.0,
}


def batch(*calls):
    """Calls as (action, direction, outcome, response in µs)."""
    rows = np.zeros(len(calls), CALL_DTYPE)
    outcomes = ["ok", "timeout", "cancelled"]
    for row, (action, direction, outcome, response_us) in zip(rows, calls, strict=True):
        row["action"], row["direction"] = ACTIONS.index(action), ["out", "in"].index(direction)
        row["outcome"], row["service_us"] = outcomes.index(outcome), response_us
    return CallBatch(rows, ACTIONS, [""], outcomes, ["out", "in"])


def test_a_second_is_told_by_action_without_what_we_cancelled_ourselves():
    told = by_action(
        batch(
            ("Heartbeat", "out", "ok", 1_000),
            ("Heartbeat", "out", "timeout", 30_000_000),
            ("MeterValues", "out", "cancelled", 5),
            ("Reset", "in", "ok", 70),
        )
    )
    assert {name: tuple(row[:2]) for name, row in told.items()} == {
        "OCPP Heartbeat": (2, 1),
        "CSMS Reset": (1, 0),
    }
    assert told["CSMS Reset"][2] == b"", "our own answers have no response time"


@given(
    st.lists(st.integers(0, 40_000_000), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99, 1.0])
)
def test_percentiles_on_the_page_are_within_3_2_percent_however_calls_were_split(times_us, quantile):
    whole_pulse = Pulse()
    for part in (times_us[::2], times_us[1::2]):
        if part:
            calls = [("Heartbeat", "out", "ok", us) for us in part]
            whole_pulse.add(by_action(batch(*calls))["OCPP Heartbeat"])
    (shown_ms,) = whole_pulse.percentiles_ms([quantile])
    exact_ms = exact_quantile(np.array(times_us), quantile) / 1000
    assert abs(shown_ms - exact_ms) <= max(0.032 * exact_ms, 0.0081)
    assert whole_pulse.count == len(times_us)


def test_nothing_has_no_percentiles():
    assert Pulse().percentiles_ms([0.5, 0.99]) == [None, None]
    assert len(Pulse().times) == LIVE_BINS


def point(t_s, p99):
    return Point(t_s, 1, {}, 0, 0.0, 0, 1.0, 0.0, 0.0, [1.0, 2.0, p99], {}, 0.0, 0.0, 0.0)


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=120))
def test_a_run_of_any_length_fits_and_its_worst_moment_stays(p99s):
    history = History(most=16)
    for second, p99 in enumerate(p99s):
        history.add(point(second, p99))
    assert len(history.points) < 16
    kept = history.points + history._pending
    assert max(one.all_ms[-1] for one in kept) == max(p99s)
    assert [one.t_s for one in history.points] == sorted(one.t_s for one in history.points)


class Trial:
    run = "2026-run"
    phase = "steady"

    def __init__(self):
        self.names = {"a": "00", "b": "01"}
        self.faltered = set()
        self.gauges = {}
        self.began_s = 100.0
        self.settings = SimpleNamespace(slo="")

    def report(self, **changes):
        self.gauges = {client: {**GOOD, **changes} for client in self.names}


def test_workers_add_up_to_points_tables_and_sentences():
    trial = Trial()
    picture = Picture(trial)
    for second in range(3):
        trial.report(reconnects=second)
        calls = [("Heartbeat", "out", "ok", 2_000)] * 5 + [("Heartbeat", "out", "timeout", 9_000)]
        for _worker in trial.names:
            picture.beat(Beat("2026-run", by_action(batch(*calls))))
        picture.sample(101.0 + second)
    now = picture.recent[-1][1]
    assert (now.stations, now.links, now.charging, now.power_kw) == (10, {"open": 8, "down": 2}, 4, 28.0)
    assert (now.calls_per_s, now.failed_per_s) == (12.0, 2.0)
    assert now.reconnects_per_s == pytest.approx(4 / 3, abs=0.01)
    assert now.all_ms[0] == pytest.approx(2.0, rel=0.032)
    told = snapshot(picture, 2, "en")
    assert [one["t_s"] for one in told["points"]] == [3.0]
    assert told["actions"][0] | {"ms": None} == {
        "action": "OCPP Heartbeat", "count": 36, "failed": 6, "per_s": 12.0, "ms": None,
    }  # fmt: skip
    assert told["findings"][0]["count"] == 6
    assert told["connectors"] == {"Charging": 4}
    assert (told["verdict"], told["reasons"]) == (TRUSTED, [])
    assert len(whole(picture)) == 3


def test_thresholds_are_shown_with_what_became_of_them():
    trial = Trial()
    trial.settings = SimpleNamespace(slo="slo.toml")
    picture = Picture(trial)
    assert snapshot(picture, 0, "en")["gate"] == {"file": "slo.toml", "mistake": "", "checks": []}
    check = {"suite": "slo", "name": "boots", "wanted": "…", "value": "6", "status": "passed"}
    picture.gate = {"checks": [check, {**check, "suite": "generator", "name": "trust"}]}
    (shown,) = snapshot(picture, 0, "en")["gate"]["checks"]
    assert (shown["name"], shown["status"], shown["margin"]) == ("boots", "passed", "")


def test_every_limit_has_words():
    for language in ("en", "fr"):
        for name in _PER_SECOND:
            assert "{}" in WORDS[language][name]


def test_an_empty_page_is_idle():
    assert snapshot(None, 0, "en") == {"state": "idle", "number": 0, "points": []}
    assert whole(None) == []


def watched(*reports, phase="steady", lost=()):
    watchman = Watchman()
    for second, report in enumerate(reports):
        watchman.look({"00": report}, float(second), phase=phase, lost=lost)
    return watchman


def test_a_worker_that_does_not_keep_time_makes_numbers_untrusted():
    good = [dict(GOOD) for _ in range(20)]
    late = [{**GOOD, "gen_lag_p99_us": 50_000} for _ in range(3)]
    assert watched(*good, *late[:2]).verdict() == (TRUSTED, [])
    state, (reason,) = watched(*good, *late).verdict()
    assert (state, reason.word, reason.gaps["bad"], reason.gaps["seen"]) == (UNTRUSTED, "worker_late", 3, 23)


def test_what_the_ramp_did_is_forgotten_when_the_steady_phase_begins():
    watchman = watched(*({**GOOD, "cpu_percent": 100.0} for _ in range(5)), phase="ramp")
    assert watchman.verdict()[0] == UNTRUSTED
    watchman.look({"00": dict(GOOD)}, 6.0, phase="steady", lost=())
    assert watchman.verdict() == (TRUSTED, [])
    for second in range(5):
        watchman.look({"00": {**GOOD, "cpu_percent": 100.0}}, 7.0 + second, phase="drain", lost=())
    assert watchman.verdict() == (TRUSTED, []), "the end does not count"


def test_other_reasons_have_words_too():
    assert Watchman().verdict() == (WAITING, [])
    _, reasons = watched({**GOOD, "dropped_rows": 7, "bugs": 1}, lost={"01"}).verdict()
    assert [reason.word for reason in reasons] == ["worker_lost", "rows_dropped", "own_bugs"]
    silent = watched(dict(GOOD))
    silent.look({}, 30.0, phase="steady", lost=())
    assert [reason.word for reason in silent.verdict()[1]] == ["worker_silent"]
    assert silent.verdict(ended=True) == (TRUSTED, [])
    trial = Trial()
    trial.faltered = {"01"}
    picture = Picture(trial)
    trial.report(gen_lag_p99_us=50_000, dropped_rows=2, bugs=1)
    for second in range(5):
        trial.report(gen_lag_p99_us=50_000, dropped_rows=2, bugs=1)
        picture.sample(101.0 + second)
    for language in ("en", "fr"):
        reasons = snapshot(picture, 0, language)["reasons"]
        assert any("50 ms" in reason and "5" in reason for reason in reasons)
        assert not any("{" in reason for reason in reasons)


class Runner:
    def __init__(self):
        self.listeners = {}

    def register_message(self, kind, listener, concurrent=False):
        self.listeners[kind] = listener


def test_the_picture_follows_the_test_and_outlives_it(monkeypatch):
    runner, trial = Runner(), Trial()
    conductor = SimpleNamespace(trial=None)
    live = Live(conductor, runner)
    told = by_action(batch(("Heartbeat", "out", "ok", 5)))
    beat = SimpleNamespace(data={"run": trial.run, "actions": told})
    runner.listeners["greenup-pulse"](beat)
    assert live.picture is None
    conductor.trial = trial
    trial.report()
    runner.listeners["greenup-pulse"](beat)
    stale = SimpleNamespace(data={"run": "another", "actions": told})
    runner.listeners["greenup-pulse"](stale)
    assert live.picture.totals["OCPP Heartbeat"].count == 1
    conductor.trial = None
    give_up = time.monotonic() + 10
    while live.picture.ended_s is None:
        assert time.monotonic() < give_up
        time.sleep(0.05)  # gevent's: Locust has patched it
    told = snapshot(live.picture, 0, "en")
    assert (told["state"], told["links"], told["sums"]["stations"]) == ("ended", {}, 0)
    assert WHOLE_POINTS > 0
    assert pulse.LIVE_BINS < 500


def test_the_tab_on_locusts_page_shows_units_that_people_read():
    from engine.bridge.web import tab

    shown = SimpleNamespace(
        picture=SimpleNamespace(sums={"power_w": 126_319_243.0, "gen_lag_p99_us": 13_400})
    )
    told = {row["name"]: row["value"] for row in tab.rows(shown)}
    assert told["power drawn, kW"] == "126,319"
    assert told["own lag, p99 of the last second, ms"] == "13"
    assert told["stations running"] == "0"
