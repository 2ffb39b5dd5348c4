"""Every scenario of `locustfiles/` on the virtual edge: what it is about comes true."""

from collections import Counter

import pytest

from engine import scenario
from profiles.pacing import End, Knee, Sight
from stations.errors import PlanError
from tests.support import stage
from tests.support.stage import Stage

# A locustfile imports Locust, which patches the process.
pytestmark = pytest.mark.locust

CLEAN = {"ok"}
EXCUSED = {"ok", "cancelled"}


def test_steady_every_station_is_up_and_cars_are_charged():
    played = Stage("steady").run(600)
    assert played.online == 40
    assert set(played.outcomes()) == CLEAN
    assert len(played.central.entries) > 40
    played.check_books()


def test_blackout_all_are_back_queues_are_flushed_and_no_transaction_is_lost_or_doubled():
    """Q-1, TX-9, WS-7."""
    played = Stage("blackout", calm_s=120.0, lasting_s=300.0, share=0.5, power_share=0.2).run(400)
    assert 0 < played.online < 35
    assert played.backlog > 0, "what happens offline waits"
    played.run(1500)
    assert played.online == 40
    assert played.backlog <= 2, "only what is on its way now"
    assert played.late > 5, "what waited was sent afterwards"
    assert 25 < played.struck["cut"] + played.struck["power_off"] < 35 + 8
    assert set(played.outcomes()) <= EXCUSED
    played.check_books()


def test_boot_storm_everybody_boots_again_within_the_time_asked_for():
    """BOOT-1, BOOT-11."""
    played = Stage("boot_storm", calm_s=20.0, dark_s=20.0, within_s=2.0).run(38)
    assert played.online == 0
    played.run(180)
    assert played.online == 40
    assert played.central.calls["BootNotification"] == 80
    boots = [now for now, _, action, *_ in played.calls if action == "BootNotification"][40:]
    assert max(boots) - min(boots) < 10
    assert set(played.outcomes()) <= EXCUSED
    played.check_books()


def test_csms_restart_all_reconnect_and_nothing_is_lost():
    """WS-3, WS-7, Q-5."""
    played = Stage("csms_restart", down_s=20.0, restarts=2, every_s=300.0, calm_s=60.0).run(70)
    assert played.online == 0
    played.run(600)
    assert played.online == 40
    assert played.central.calls["BootNotification"] == 40, "a reconnect keeps its registration"
    played.check_books()


def test_evening_peak_more_people_come_at_six_than_at_three_in_the_morning():
    played = Stage("evening_peak", 60).run(11 * 3600)
    assert played.fleet.name == "residential"
    assert scenario.chosen().time_scale == 60
    hours = Counter(int(now // 3600) for now, _, action, *_ in played.calls if action == "StartTransaction")
    assert sum(hours[hour] for hour in range(4)) > 3 * sum(hours[hour] for hour in range(7, 11))


def test_firmware_campaign_all_answer_all_install_and_report_the_new_version():
    """UF-1, UF-2, UF-4."""
    played = Stage("firmware_campaign").run(2400)
    asked = [station for _, station, action, _ in played.answers if action == "UpdateFirmware"]
    assert sorted(asked) == list(range(40))
    versions = Counter(station.firmware for station in played.world.stations)
    assert versions.most_common(1)[0][0].find("02.00.00") >= 0
    installed = sum(count for version, count in versions.items() if "02.00.00" in version)
    assert installed >= 34, "some downloads fail, as in life"
    assert played.central.calls["BootNotification"] >= 40 + installed
    assert played.online == 40


def test_smart_charging_broadcast_all_answer_and_power_falls_within_seconds():
    """SC-8, SC-9."""
    played = Stage("smart_charging_broadcast", limit_a=6.0, calm_s=120.0).run(119)

    def power_w():
        stations = played.world.stations
        return sum(
            station.power_w(side.number, played.world.now)
            for station in stations
            for side in station.connectors[1:]
        )

    before = power_w()
    played.run(130)
    assert Counter(result for *_, action, result in played.answers if action == "SetChargingProfile") == {
        "Accepted": 40
    }
    sides = sum(station.plan.product.connectors for station in played.world.stations)
    assert before > 100_000
    assert power_w() <= sides * 6.0 * 3 * 240


def test_soak_half_of_the_fleet_leaves_and_hours_leave_nothing_behind():
    played = Stage("soak", 20).run(3600)
    assert played.course.drift, "the run is judged by it"
    assert played.online == 20
    assert set(played.outcomes()) == CLEAN
    assert played.backlog <= 1
    played.check_books()


@pytest.mark.parametrize("seed", [7, 8])
def test_chaos_strikes_with_everything_and_the_books_are_right_afterwards(seed):
    """Q-1, Q-2, WS-8."""
    played = Stage("chaos", seed=seed, share=0.1).run(900)
    assert set(played.struck) == {"cut", "hold", "slow", "lose", "reboot", "power_off"}
    played.world.ordeal.end()
    played.world.power_on([n for n, station in enumerate(played.world.stations) if not station.powered])
    played.run(2400)
    assert played.online == 40
    played.check_books()


def test_misbehaving_stations_do_their_worst_and_the_others_are_served_as_before():
    played = Stage("misbehaving", 60, share=0.1, size_bytes=100_000).run(400)
    assert set(played.struck) == {"oversize", "repeat", "deaf", "hold", "churn"}
    assert 0.8 * played.struck["oversize"] < played.central.calls["DataTransfer"] <= played.struck["oversize"]
    plans = played.world.plans
    faulty = {n for n, plan in enumerate(plans) if plan.product.faults}
    assert faulty
    assert {name for plan in plans for name in plan.product.faults} >= {"mesurand", "duplicate-start"}
    good = set(range(60)) - faulty
    outcomes = played.outcomes(stations=good)
    assert set(outcomes) <= EXCUSED
    assert outcomes["cancelled"] < 0.05 * outcomes["ok"]


def test_ramp_finds_the_load_at_which_answers_become_slow():
    """The search on a central system that thinks longer when more than 60 stations are connected."""
    played = Stage("ramp", 200, per_s=1e-9)  # nobody is powered on by the stage itself
    world, central = played.world, played.central
    search = Knee(20, 20, 200)
    wanted, on, second, seen = search.wanted, 0, 0, 0
    while wanted is not None and second < 3600:
        second += 1
        for unit in world.units[on : min(on + 10, wanted)]:
            unit.power_on(8 * 3600.0)
        on = min(on + 10, max(on, wanted))
        central.think_s = 0.02 if len(central.lines) <= 60 else 4.0
        world.run(float(second))
        fresh, seen = played.calls[seen:], len(played.calls)
        late = sorted(ms for now, *_, ms in played.calls[-2000:] if now > second - 10)
        p95_ms = late[int(0.95 * len(late))] if late else 0.0
        failed = sum(outcome not in EXCUSED for *_, outcome, _ in fresh)
        wanted = search.look(Sight(float(second), played.online, p95_ms, len(fresh), failed))
    assert (search.end, search.highest) == (End.KNEE, 60)


@pytest.mark.parametrize("name", stage.NAMES)
def test_every_scenario_says_its_question_and_can_be_cast(name):
    module = stage.load(name)
    first = module.__doc__.strip().splitlines()[0]
    assert first.endswith("?")
    course = scenario.course(scenario.chosen(), {})
    assert course.ends_s > 0
    assert module.GreenUp.__doc__
    for ask in scenario.chosen().asks:
        assert ask.flag.startswith("--")
        assert ask.help


@pytest.mark.parametrize(
    ("name", "answers", "words"),
    [
        ("blackout", {"share": 1.5}, "--share 1.5: must be 0 or more and at most 1"),
        ("blackout", {"lasting_s": -1.0}, "--lasting-s -1: must be 0 or more"),
        ("chaos", {"every_s": 10.0}, "begins again before it has ended"),
        ("firmware_campaign", {"per_s": 0.0}, "scenario, commands"),
        ("soak", {"low": 1.5}, "--low 1.5: must be more than 0 and at most 1"),
        ("soak", {"period_s": 0.0}, "--period-s 0: must be more than 0"),
        ("ramp", {"p95_ms": -1.0}, "--p95-ms -1: must be more than 0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_in_one_line(name, answers, words):
    stage.load(name)
    with pytest.raises(PlanError) as refused:
        scenario.course(scenario.chosen(), answers)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
