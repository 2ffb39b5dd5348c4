"""Whole days of small fleets: cut links, restarts, power cuts, and every Wh is accounted for."""

import pytest

from tests.support.day import STATIONS, Day


@pytest.mark.parametrize("seed", [1, 2])
def test_a_quiet_day_is_booked_to_the_watt_hour(seed):
    """MV-5, TX-1, TX-5: registers are whole Wh, so each end of a transaction may hide less than one."""
    day = Day(seed).finish()
    day.check_books()
    day.check_energy()
    assert len(day.central.entries) > 3 * STATIONS


@pytest.mark.parametrize("seed", [3, 4])
def test_cut_links_half_open_links_and_restarts_lose_and_double_nothing(seed):
    """Q-1, Q-2, Q-5, WS-7, WS-8, TX-9: twelve hours of trouble, and the same books as on a quiet day."""
    day = Day(seed, LocalAuthorizeOffline="true", AllowOfflineTxForUnknownId="true")
    for hour in range(2, 14):
        struck = [index for index in range(STATIONS) if (index + hour) % 3 == 0]
        day.at(hour, "cut", struck)
        day.at(hour + 0.4, "restore", struck)
    for hour in (4.5, 8.5):
        day.at(hour, "hold", range(0, STATIONS, 4))
        day.at(hour + 0.3, "restore", range(0, STATIONS, 4))
    day.at(6.2, "restart_central", 900.0)
    day.at(10.1, "restart_central", 5.0)
    day.at(12.2, "slow", 3.0, range(5))
    day.finish().check_books()
    day.check_energy()
    assert any(fact.offline for fact in day.facts.values())


@pytest.mark.parametrize("seed", [5, 6])
def test_power_cuts_end_transactions_with_the_last_sample_and_lose_none(seed):
    """TX-10, BOOT-11, Q-5: what flowed after the last stored sample is not billed, everything else is."""
    day = Day(seed)
    for hour in range(3, 15, 2):
        struck = [index for index in range(STATIONS) if (index + hour) % 4 < 2]
        day.at(hour, "power_off", struck)
        day.at(hour + 0.2, "power_on", struck)
    day.finish().check_books()
    cuts = [fact for fact in day.facts.values() if fact.reason == "PowerLoss"]
    assert cuts
    assert {entry.stop["reason"] for entry in day.central.entries.values() if "reason" in entry.stop} >= {
        "PowerLoss"
    }
    day.check_energy()


def test_a_central_system_that_forgets_to_answer_gets_everything_in_the_end():
    """Q-3, RPC-5: unread, unanswered and refused messages are sent again; no transaction is booked twice."""
    moods = ["", "", "drop", "", "twice", "", "drop-unread", "", "", "extra", "", "error", "", "foreign"] * 60
    day = Day(7, moods=moods, TransactionMessageAttempts="5").finish()
    day.check_books()


def test_the_same_seed_is_the_same_day():
    """C1: same seed, same events, same effects."""

    def lived(seed):
        day = Day(seed, stations=4)
        day.at(3.0, "cut", [0, 1])
        day.at(3.5, "restore", [0, 1])
        day.finish()
        return day.log, day.central.calls

    assert lived(8) == lived(8)
    assert lived(8) != lived(9)
