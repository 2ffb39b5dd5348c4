"""Opt-in faults of real units: off by default, each exactly one thing (LG-2, LG-5, LG-7)."""

from pathlib import Path

import pytest

from stations.core.events import Fault
from stations.core.plan import Plan, Product
from stations.core.product_faults import FAULTS
from stations.core.station import Station
from stations.errors import PlanError
from tests.support.bench import bench


def faulty(name, **more):
    station = bench(power=False, faults=frozenset({name}), **more)
    station.strict = False
    return station.power()


def test_an_unknown_fault_is_the_callers_error():
    with pytest.raises(PlanError, match="unknown product fault 'rust'"):
        Station(Plan("X", "ws://x/X", Product("059004", 1, faults=frozenset({"rust"}))), 1)


@pytest.mark.parametrize("name", FAULTS)
def test_a_unit_with_any_fault_still_charges(name):
    station = faulty(name)
    station.plug().swipe().run(61)
    station.swipe().run(10)
    assert [entry.state for entry in station.journal()][-1] == "settled"


def test_every_fault_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "fleets.md").read_text()
    for name, words in FAULTS.items():
        assert f"| `{name}` | {words} |" in page


def test_mesurand_is_spelt_as_the_guide_prints_it():
    """LG-2."""
    station = faulty("mesurand")
    station.plug().swipe().run(31)
    sample = station.sent("MeterValues")[0].payload["meterValue"][0]["sampledValue"][0]
    assert "mesurand" in sample
    assert "measurand" not in sample
    station.swipe()
    sample = station.sent("StopTransaction")[0].payload["transactionData"][0]["sampledValue"][0]
    assert "mesurand" in sample
    assert "measurand" not in sample


def test_a_fault_is_told_with_an_error_code_that_does_not_exist():
    """LG-5."""
    station = faulty("error-code-error")
    station.feed(Fault(0, "InternalError"))
    told = station.sent("StatusNotification")[-1].payload
    assert (told["connectorId"], told["errorCode"], told["status"]) == (0, "Error", "Faulted")


def test_older_firmware_does_not_come_back_after_a_power_failure():
    """LG-7."""
    station = faulty("no-reconnect-after-restart")
    assert station.station.online
    station.cut().run(60)
    assert station.station.online
    station.power(on=False).power().run(5000)
    assert not station.station.online


def test_a_unit_stuck_at_16_a_accepts_every_limit_and_obeys_none():
    """SC-13, LG-7: the answer is Accepted all the same."""
    station = faulty("stuck-at-16-a")
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 100,
        "chargingProfilePurpose": "ChargePointMaxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}],
        },
    }
    station.plug().swipe()
    answer = station.command("SetChargingProfile", connectorId=0, csChargingProfiles=profile)
    assert answer == {"status": "Accepted"}
    assert station.station.limit_a(1) == 16


def test_a_flooding_unit_tells_its_status_every_second():
    station = faulty("status-flood", connectors=2).run(10)
    assert len(station.sent("StatusNotification")) == 3 * 11
    station.cut(stay_down=True)
    count = len(station.calls)
    station.run(100)
    assert len(station.calls) == count


def test_a_duplicate_start_is_two_messages_of_one_transaction():
    station = faulty("duplicate-start")
    station.plug().swipe()
    first, second = station.sent("StartTransaction")
    assert first.payload == second.payload
    assert first.id != second.id
    assert len([entry for entry in station.journal() if entry.state == "started"]) == 1


def test_a_wrong_clock_stays_wrong():
    station = faulty("wrong-clock")
    station.plug().swipe()
    start = station.sent("StartTransaction")[0]
    assert 1 < abs(station.unix(start)) <= 12 * 3600


def test_a_unit_whose_resets_fail_says_so_and_serves_on():
    """RE-4: ResetRetries attempts more, no restart, and no charging by itself."""
    station = faulty("reset-fails", reboot_delay_s=20.0)
    station.plug().swipe().run(5)
    count = len(station.calls)
    assert station.command("Reset", type="Soft") == {"status": "Accepted"}
    station.run(41)
    assert station.sent("StopTransaction", count)[0].payload["reason"] == "SoftReset"
    told = station.sent("StatusNotification", count)[-1].payload
    assert (told["connectorId"], told["errorCode"], told["status"]) == (0, "ResetFailure", "Available")
    assert station.actions(count).count("BootNotification") == 0
    assert not station.sent("StartTransaction", count)
    station.swipe().run(5)
    assert station.status() == "Charging"
