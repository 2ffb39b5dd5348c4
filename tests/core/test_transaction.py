"""Transactions: start, answer, energy, end."""

import pytest

from stations.core.events import EvPause, EvResume, PlugOutEv, Reboot, Swipe
from stations.core.plan import Personality
from tests.support.bench import SILENT, bench
from tests.support.vehicle import SteadyCar

SPEC = Personality.SPEC


def test_start_transaction_is_written_as_the_guide_prints_it():
    """TX-1, LG-1, LG-4: reservationId 0, local time with milliseconds, integer Wh."""
    station = bench()
    station.plug().swipe()
    assert list(station.sent("StartTransaction")[0].payload.items()) == [
        ("connectorId", 1),
        ("idTag", "TAG1"),
        ("meterStart", 0),
        ("reservationId", 0),
        ("timestamp", "2023-11-14T23:13:20.000+01:00"),
    ]


def test_spec_leaves_the_reservation_out_when_there_is_none():
    """TX-1, TX-2: energy flows before the answer, and any integer is an id."""
    station = bench(personality=SPEC)
    station.answer["StartTransaction"] = SILENT
    station.plug().swipe().run(5)
    start = station.sent("StartTransaction")[0]
    assert "reservationId" not in start.payload
    assert station.station.power_w(1, station.now) > 0
    station.reply(start, {"transactionId": -17, "idTagInfo": {"status": "Accepted"}})
    station.swipe()
    assert station.sent("StopTransaction")[0].payload["transactionId"] == -17


def test_firmware_after_2019_writes_utc_without_milliseconds():
    """LG-1: and two starts never share a second."""
    station = bench(firmware="V02.03.10/V02.01.00", keys={"MeterValueSampleInterval": "0"})
    for _ in range(2):
        station.plug().swipe().swipe().unplug()
    stamps = [call.payload["timestamp"] for call in station.sent("StartTransaction")]
    assert stamps == ["2023-11-14T22:13:20Z", "2023-11-14T22:13:21Z"]


def test_two_transactions_of_one_moment_have_different_starts():
    """C8: connector, tag and start name one transaction for ever."""
    station = bench(personality=SPEC)
    for _ in range(2):
        station.plug().swipe().swipe().unplug()
    first, second = (station.unix(call) for call in station.sent("StartTransaction"))
    assert 0 < second - first < 0.01


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "ConcurrentTx"])
def test_a_refused_transaction_is_stopped_if_the_key_says_so(status):
    """TX-3, TX-4: DeAuthorized, Finishing, the cable kept for its owner."""
    station = bench(keys={"StopTransactionOnInvalidId": "true"})
    station.answer["StartTransaction"] = {"transactionId": 9, "idTagInfo": {"status": status}}
    station.plug().swipe()
    stop = station.sent("StopTransaction")[0].payload
    assert (stop["reason"], stop["transactionId"], station.status()) == ("DeAuthorized", 9, "Finishing")
    assert "idTag" not in stop
    station.unplug()
    assert station.station.connectors[1].plugged
    station.swipe().unplug()
    assert station.status() == "Available"


def test_a_refused_transaction_goes_on_without_energy_otherwise():
    """TX-3: SuspendedEVSE; meter values go on; the user ends it."""
    station = bench()
    station.answer["StartTransaction"] = {"transactionId": 9, "idTagInfo": {"status": "Invalid"}}
    station.plug().swipe().run(31)
    assert station.statuses(1)[-1] == "SuspendedEVSE"
    assert station.station.power_w(1, station.now) == 0
    assert len(station.sent("MeterValues")) == 1
    station.swipe()
    assert station.sent("StopTransaction")[0].payload["reason"] == "Local"


def test_a_refused_transaction_may_have_some_energy_first():
    """TX-3: MaxEnergyOnInvalidId, then as the other key says."""
    station = bench(keys={"MaxEnergyOnInvalidId": "500", "StopTransactionOnInvalidId": "true"})
    station.answer["StartTransaction"] = {"transactionId": 9, "idTagInfo": {"status": "Invalid"}}
    station.plug().swipe().run(60)
    assert station.status() == "Charging"
    station.run(600)
    stop = station.sent("StopTransaction")[0].payload
    assert stop["reason"] == "DeAuthorized"
    assert 500 <= stop["meterStop"] <= 505


def test_the_allowance_is_not_spent_by_a_vehicle_that_pauses():
    """TX-3: looked at again when the power would have used it up."""
    station = bench(keys={"MaxEnergyOnInvalidId": "500"})
    station.answer["StartTransaction"] = {"transactionId": 9, "idTagInfo": {"status": "Invalid"}}
    station.plug().swipe().run(5).feed(EvPause(1)).run(3600)
    assert station.status() == "SuspendedEV"


def test_the_allowance_ends_on_time_for_a_vehicle_that_starts_late():
    """TX-3: nothing flows yet when the refusal arrives; the cap is not to be missed by the power to come."""
    station = bench(keys={"MaxEnergyOnInvalidId": "20", "StopTransactionOnInvalidId": "true"})
    station.answer["StartTransaction"] = {"transactionId": 9, "idTagInfo": {"status": "Invalid"}}
    station.plug().feed(EvPause(1)).swipe().run(5).feed(EvResume(1)).run(60)
    assert 20 <= station.sent("StopTransaction")[0].payload["meterStop"] <= 25


def test_a_refusal_that_arrives_after_an_offline_start_counts_too():
    """TX-3 (E3.17)."""
    station = bench(
        keys={
            "LocalAuthorizeOffline": "true",
            "AllowOfflineTxForUnknownId": "true",
            "StopTransactionOnInvalidId": "true",
        }
    )
    station.answer["StartTransaction"] = {"transactionId": 9, "idTagInfo": {"status": "Invalid"}}
    station.cut(stay_down=True).plug().swipe().run(20)
    station.mend().run(60)
    assert station.sent("StopTransaction")[0].payload["reason"] == "DeAuthorized"


def test_a_refusal_after_the_end_changes_nothing():
    """TX-3: only while the transaction still runs."""
    station = bench(keys={"StopTransactionOnInvalidId": "true"})
    station.answer["StartTransaction"] = SILENT
    station.plug().swipe().run(5).swipe()
    station.reply(
        station.sent("StartTransaction")[0], {"transactionId": 9, "idTagInfo": {"status": "Invalid"}}
    )
    assert [call.payload["reason"] for call in station.sent("StopTransaction")] == ["Local"]
    assert [entry.state for entry in station.journal()] == ["started", "stopped", "stopped", "settled"]


def test_the_register_is_a_life_counter_in_whole_wh():
    """TX-5, MV-5: not re-based; meterStop minus meterStart is the energy."""
    station = bench(keys={"MeterValueSampleInterval": "0"})
    for _ in range(3):
        station.plug().swipe().run(101).swipe().unplug()
    starts = [call.payload["meterStart"] for call in station.sent("StartTransaction")]
    stops = [call.payload["meterStop"] for call in station.sent("StopTransaction")]
    assert starts == [0, 309, 619]
    assert stops == [309, 619, 929]


def test_stop_transaction_is_written_as_the_guide_prints_it():
    """TX-5, LG-4: idTag, reason Local, one entry of transactionData with Interruption.End."""
    station = bench()
    station.plug(1, SteadyCar(amps=6.0, phases=1)).swipe().run(10).swipe()
    stop = station.sent("StopTransaction")[0].payload
    assert list(stop) == ["idTag", "meterStop", "timestamp", "transactionId", "reason", "transactionData"]
    assert stop["reason"] == "Local"
    (entry,) = stop["transactionData"]
    assert entry["timestamp"] == stop["timestamp"] == "2023-11-14T23:13:30.000+01:00"
    assert entry["sampledValue"] == [
        {
            "value": "6",
            "context": "Interruption.End",
            "format": "Raw",
            "measurand": "Current.Import",
            "unit": "A",
        },
        {
            "value": "3.8333333",
            "context": "Interruption.End",
            "format": "Raw",
            "measurand": "Energy.Active.Import.Interval",
            "unit": "Wh",
        },
    ]


@pytest.mark.parametrize(
    ("end", "reason", "has_tag"),
    [
        (lambda b: b.swipe(), "Local", True),
        (lambda b: b.command("RemoteStopTransaction", transactionId=1001), "Remote", False),
        (lambda b: b.command("UnlockConnector", connectorId=1), "UnlockCommand", False),
        (lambda b: b.command("Reset", type="Soft"), "SoftReset", False),
        (lambda b: b.command("Reset", type="Hard"), "HardReset", False),
        (lambda b: b.feed(Reboot()), "Reboot", False),
        (lambda b: b.feed(PlugOutEv(1)), "EVDisconnected", False),
        (lambda b: (b.power(on=False), b.power()), "PowerLoss", False),
    ],
    ids=[
        "Local",
        "Remote",
        "UnlockCommand",
        "SoftReset",
        "HardReset",
        "Reboot",
        "EVDisconnected",
        "PowerLoss",
    ],
)
def test_the_reason_says_who_ended_it(end, reason, has_tag):
    """TX-5, TX-6: idTag only where one was presented."""
    station = bench()
    station.plug().swipe().run(40)
    end(station)
    station.run(60)
    (stop,) = station.sent("StopTransaction")
    assert stop.payload["reason"] == reason
    assert ("idTag" in stop.payload) is has_tag


def test_the_central_system_cannot_refuse_a_stop():
    """TX-7: idTagInfo only feeds the cache; the cable is free."""
    station = bench()
    station.answer["StopTransaction"] = {"idTagInfo": {"status": "Blocked"}}
    station.plug().swipe().run(5).swipe()
    assert not station.station.connectors[1].locked
    assert [entry.state for entry in station.journal()][-1] == "settled"


def test_a_power_cut_ends_a_transaction_at_its_last_stored_sample():
    """TX-10 (TC_032), BOOT-11: told after boot and acceptance; no resumption; the cable is still in."""
    station = bench(personality=SPEC)
    station.plug().swipe().run(70)
    register = station.station.meter_wh(1, station.now)
    station.power(on=False).run(600)
    count = len(station.calls)
    station.power().run(30)
    stop = station.sent("StopTransaction")[0]
    assert stop.payload["reason"] == "PowerLoss"
    assert round(station.unix(stop)) == 60
    assert stop.payload["meterStop"] == 184
    assert station.actions(count) == ["BootNotification"] + ["StatusNotification"] * 2 + ["StopTransaction"]
    assert station.statuses(1, count) == ["Finishing"]
    assert station.station.meter_wh(1, station.now) == register


def test_a_transaction_id_on_two_sides_or_zero_with_accepted_is_found():
    """TX-11, TX-2: seen in real central systems; the station goes on."""
    station = bench(connectors=2)
    station.answer["StartTransaction"] = {"transactionId": 0, "idTagInfo": {"status": "Accepted"}}
    station.plug(1).feed(Swipe("A", (1,))).plug(2).feed(Swipe("B", (2,)))
    assert station.findings() == ["TX-2", "TX-2", "TX-11"]
    station.feed(Swipe("B", (2,)))
    assert station.status(2) == "Finishing"


def test_the_journal_tells_the_whole_life():
    """C8."""
    station = bench()
    station.plug().swipe().run(40).swipe()
    last = station.journal()[-1]
    assert [entry.state for entry in station.journal()] == ["started", "acknowledged", "stopped", "settled"]
    assert (last.sequence, last.connector, last.id_tag, last.transaction_id) == (1, 1, "TAG1", 1001)
    assert (last.meter_start_wh, last.meter_stop_wh, last.reason, last.authorization) == (
        0,
        122,
        "Local",
        "Accepted",
    )
    assert last.stopped_s - last.started_s == pytest.approx(40)
    calls = [end.call for end in station.ended() if end.call.transaction]
    assert {call.action for call in calls} == {"StartTransaction", "MeterValues", "StopTransaction"}


def test_the_vehicles_energy_is_what_is_billed():
    """MV-9: on any path through pauses and limits."""
    station, car = bench(personality=SPEC), SteadyCar(amps=20, capacity_wh=3000)
    station.plug(1, car).swipe().run(200).feed(EvPause(1)).run(100)
    station.command("ChangeConfiguration", key="chargingStationMaxLimit", value="8")
    station.run(5000).swipe().unplug()
    stop = station.sent("StopTransaction")[0].payload
    assert stop["meterStop"] == int(car.energy_wh)


def test_a_start_after_the_clock_was_set_back_has_the_time_of_now():
    """TX-1, HB-4: a currentTime that was wrong for a while leaves no start in the future."""
    station = bench(personality=SPEC, power=False)
    station.answer["BootNotification"] = {
        "status": "Accepted",
        "currentTime": station.time(86_400),
        "interval": 300,
    }
    station.power().plug().swipe().run(5)
    station.swipe().run(300)
    station.swipe()
    first, second = station.sent("StartTransaction")
    assert station.unix(first) == pytest.approx(86_400, abs=1)
    assert station.unix(second) == pytest.approx(station.now, abs=1)
    assert station.sent("Heartbeat")
