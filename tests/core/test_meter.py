"""Meter values: when, what, and how they are written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.core.events import EvPause, EvResume, Swipe
from stations.core.key_rules import METERED, split_phase
from stations.core.keys import METER_VALUES_SAMPLED_DATA
from stations.core.measurands import Sight, template
from stations.core.meter import IDLE
from stations.core.plan import Personality
from stations.core.reading import Reading
from stations.wire.types import ReadingContext, parse_datetime
from tests.support.bench import EPOCH, bench, revived
from tests.support.vehicle import SteadyCar

SPEC, GREENUP = Personality.SPEC, Personality.GREENUP
ALL = (
    "Current.Import,Current.Offered,Energy.Active.Import.Interval,Energy.Active.Import.Register,"
    "Power.Active.Export,Power.Active.Import,Power.Offered,Power.Reactive.Import,Power.Factor,Voltage"
)


def charging(personality=SPEC, car=None, connectors=1, **keys):
    station = bench(personality=personality, connectors=connectors, keys=keys)
    return station.plug(1, car or SteadyCar()).swipe("TAG1", 1)


def sampled(call, entry=0):
    return call.payload["meterValue"][entry]["sampledValue"]


def values(call):
    return {(one["measurand"], one.get("phase")): float(one["value"]) for one in sampled(call)}


def test_samples_come_at_the_interval_from_the_start_and_only_in_a_transaction():
    """MV-1, MV-3: Sample.Periodic with connector and transaction."""
    station = charging(MeterValueSampleInterval="10").run(35)
    station.swipe().run(100)
    calls = station.sent("MeterValues")
    assert [call.at for call in calls] == [10, 20, 30]
    assert all(call.payload["connectorId"] == 1 for call in calls)
    assert all(call.payload["transactionId"] == 1001 for call in calls)
    assert {one["context"] for one in sampled(calls[0])} == {"Sample.Periodic"}


def test_a_changed_interval_takes_effect_on_the_running_transaction_and_zero_ends_it():
    """MV-1, CC-3."""
    station = charging(MeterValueSampleInterval="0").run(100)
    assert not station.sent("MeterValues")
    station.command("ChangeConfiguration", key="MeterValueSampleInterval", value="7")
    station.run(15)
    assert [call.at for call in station.sent("MeterValues")] == [107, 114]
    station.command("ChangeConfiguration", key="MeterValueSampleInterval", value="0")
    station.run(100)
    assert len(station.sent("MeterValues")) == 2


def test_a_sample_is_due_when_the_schedule_says_however_late_it_is_taken():
    """MV-1, C6: no coordinated omission."""
    station = charging(MeterValueSampleInterval="10")
    station.now = 23.0  # the edge was busy
    station._perform(station.station.on_deadline(station.now))
    station._settle()
    calls = [call.call for call in station.sent("MeterValues")]
    assert [call.due for call in calls] == [10.0, 20.0]
    assert [call.sent for call in calls] == [23.0, 23.0]


def test_a_sample_is_written_as_the_guide_prints_it():
    """LG-3, MV-4, LG-2: Sample.Clock, Power.Active.Export though importing, float32 digits, `measurand`."""
    station = charging(GREENUP, SteadyCar(amps=7.1234567, phases=1)).run(30)
    (call,) = station.sent("MeterValues")
    assert list(call.payload) == ["connectorId", "transactionId", "meterValue"]
    (entry,) = call.payload["meterValue"]
    assert entry["timestamp"] == "2023-11-14T23:13:50.000+01:00"
    head = {"context": "Sample.Clock", "format": "Raw"}
    assert entry["sampledValue"] == [
        {"value": "7.1234567", **head, "measurand": "Current.Import", "location": "Outlet", "unit": "A"},
        {"value": "13.653292", **head, "measurand": "Energy.Active.Import.Interval", "unit": "Wh"},
        {"value": "1638.395", **head, "measurand": "Power.Active.Export", "location": "Outlet", "unit": "W"},
    ]
    assert list(entry["sampledValue"][0]) == ["value", "context", "format", "measurand", "location", "unit"]


def test_every_supported_measurand_agrees_with_every_other():
    """MV-4, MV-6, MV-9: phases of current and voltage, P = ΣU·I, offered ≥ drawn."""
    station = charging(MeterValuesSampledData=ALL).run(60)
    got = values(station.sent("MeterValues")[-1])
    drawn = sum(got["Current.Import", f"L{n}"] * got["Voltage", f"L{n}-N"] for n in (1, 2, 3))
    assert got["Power.Active.Import", None] == pytest.approx(drawn)
    assert got["Power.Offered", None] == 32 * 230 * 3
    assert got["Current.Offered", None] == 32 >= got["Current.Import", "L1"] == 16
    assert got["Energy.Active.Import.Register", None] == 184
    assert got["Energy.Active.Import.Interval", None] == 92
    assert (got["Power.Active.Export", None], got["Power.Factor", None]) == (0, 1)
    units = {one["measurand"]: one.get("unit") for one in sampled(station.sent("MeterValues")[-1])}
    assert units["Voltage"] == "V"
    assert units["Power.Reactive.Import"] == "var"
    assert units["Power.Factor"] is None


def test_a_single_phase_product_and_vehicle_report_what_they_have():
    """MV-6: one phase has no label; a 1-phase car on 3 phases leaves two at zero."""
    station = bench(personality=SPEC, phases=1, keys={"MeterValuesSampledData": "Current.Import,Voltage"})
    station.plug(1, SteadyCar(phases=1)).swipe().run(30)
    assert values(station.sent("MeterValues")[0]) == {("Current.Import", None): 16, ("Voltage", None): 230}
    station = charging(car=SteadyCar(phases=1), MeterValuesSampledData="Current.Import,Power.Offered").run(30)
    got = values(station.sent("MeterValues")[0])
    assert [got["Current.Import", phase] for phase in ("L1", "L2", "L3")] == [16, 0, 0]
    assert got["Power.Offered", None] == 32 * 230


def test_an_item_may_name_its_phase():
    """MV-6: §9.1.17."""
    station = charging(
        GREENUP, MeterValuesSampledData="Voltage.L2, Power.Active.Import.L3,Current.Import.L1"
    ).run(30)
    got = values(station.sent("MeterValues")[0])
    assert list(got) == [("Voltage", "L2-N"), ("Power.Active.Import", "L3"), ("Current.Import", "L1")]
    assert got["Power.Active.Import", "L3"] == 16 * 230


@pytest.mark.parametrize("personality", Personality)
def test_intervals_add_up_to_the_register(personality):
    """MV-5: also with pauses."""
    both = "Energy.Active.Import.Register,Energy.Active.Import.Interval"
    station = charging(
        personality, SteadyCar(amps=13.7), MeterValuesSampledData=both, MeterValueSampleInterval="11"
    )
    station.run(100).feed(EvPause(1)).run(100)
    station.command("ChangeConfiguration", key="chargingStationMaxLimit", value="9")
    station.run(300)
    got = [values(call) for call in station.sent("MeterValues")]
    registers = [one["Energy.Active.Import.Register", None] for one in got]
    intervals = [one["Energy.Active.Import.Interval", None] for one in got]
    assert registers == sorted(registers)
    assert sum(intervals) == pytest.approx(registers[-1], abs=0 if personality is SPEC else 1)


def test_a_suspended_vehicle_draws_nothing():
    """MV-9: 0 A, 0 W."""
    station = charging(MeterValuesSampledData="Current.Import,Power.Active.Import").run(40)
    station.feed(EvPause(1)).run(30)
    assert set(values(station.sent("MeterValues")[-1]).values()) == {0}


def test_an_empty_list_means_no_sampled_values():
    """MV-8."""
    station = charging(MeterValuesSampledData="").run(100)
    assert not station.sent("MeterValues")


def test_the_list_is_echoed_as_written():
    """MV-8."""
    station = charging()
    written = "Voltage , Current.Import"
    assert (
        station.command("ChangeConfiguration", key="MeterValuesSampledData", value=written)["status"]
        == "Accepted"
    )
    answer = station.command("GetConfiguration", key=["MeterValuesSampledData"])
    assert answer["configurationKey"][0]["value"] == written
    bad = station.command("ChangeConfiguration", key="MeterValuesSampledData", value="Voltage,Warmth")
    assert bad["status"] == "Rejected"
    station.run(31)
    assert {name for name, _ in values(station.sent("MeterValues")[0])} == {"Voltage", "Current.Import"}


# ---- clock-aligned


def test_aligned_values_come_at_multiples_since_midnight_for_every_connector():
    """MV-2: Sample.Clock; idle connectors and the main meter (connector 0, E3.16) without a transaction."""
    keys = {"ClockAlignedDataInterval": "900", "MeterValueSampleInterval": "0"}
    station = bench(personality=SPEC, connectors=2, keys=keys)
    station.plug(1).feed(Swipe("A", (1,))).run(1500)
    calls = station.sent("MeterValues")
    assert [call.payload["connectorId"] for call in calls] == [0, 1, 2, 0, 1, 2]
    assert [call.payload.get("transactionId") for call in calls] == [None, 1001, None] * 2
    moments = [parse_datetime(call.payload["meterValue"][0]["timestamp"]) for call in calls]
    assert all(moment % 900 == 0 for moment in moments)
    assert [call.at for call in calls[::3]] == [moment - EPOCH for moment in moments[::3]]
    assert {one["context"] for one in sampled(calls[0])} == {"Sample.Clock"}
    assert {one["location"] for call in calls[::3] for one in sampled(call)} == {"Inlet"}
    assert {one["location"] for one in sampled(calls[1])} == {"Outlet"}


def test_the_main_meter_sees_what_all_sides_draw_together():
    """MV-2, MV-5, MV-9."""
    lists = {"MeterValuesAlignedData": ALL, "ClockAlignedDataInterval": "900"}
    station = bench(personality=SPEC, connectors=2, keys={**lists, "MeterValueSampleInterval": "0"})
    station.plug(1, SteadyCar(10.0, 3)).swipe("A", 1).plug(2, SteadyCar(16.0, 1)).swipe("B", 2).run(1900)
    main, right, left = [values(call) for call in station.sent("MeterValues")[-3:]]
    for measurand in (("Current.Import", "L1"), ("Power.Active.Import", None), ("Current.Offered", None)):
        assert main[measurand] == pytest.approx(right[measurand] + left[measurand])
    register = ("Energy.Active.Import.Register", None)
    assert abs(main[register] - right[register] - left[register]) <= 1
    before = values(station.sent("MeterValues")[-6])
    assert main[register] - before[register] == main["Energy.Active.Import.Interval", None]


def test_a_full_day_has_its_aligned_moments_and_starts_again_at_midnight():
    """MV-2: an interval that does not divide the day."""
    station = bench(personality=SPEC, keys={"ClockAlignedDataInterval": "25200"}).run(86_400)
    moments = [
        parse_datetime(call.payload["meterValue"][0]["timestamp"])
        for call in station.sent("MeterValues")
        if call.payload["connectorId"] == 1
    ]
    assert [moment % 86_400 for moment in moments] == [0, 25_200, 50_400, 75_600]


def test_greenup_only_stores_the_aligned_interval():
    """MV-2: «no action» (section 15, 1)."""
    station = bench()
    answer = station.command("ChangeConfiguration", key="ClockAlignedDataInterval", value="60")
    assert answer == {"status": "Accepted"}
    station.run(600)
    assert not station.sent("MeterValues")


def test_aligned_values_follow_a_clock_that_steps():
    """MV-2, HB-4."""
    station = bench(personality=SPEC, keys={"ClockAlignedDataInterval": "3600"})
    station.answer["Heartbeat"] = lambda *_: {"currentTime": station.time(1800)}
    station.command("TriggerMessage", requestedMessage="Heartbeat")
    station.run(3600)
    main, side = station.sent("MeterValues")
    assert parse_datetime(side.payload["meterValue"][0]["timestamp"]) % 3600 == 0
    assert main.at == side.at == pytest.approx(3600 - (EPOCH + 1800) % 3600)


# ---- interruptions


def test_a_suspension_has_a_sample_at_each_end_of_it():
    """MV-10, MV-5: in `spec`; the intervals still add up to the register."""
    station = charging(
        MeterValuesSampledData="Energy.Active.Import.Register,Energy.Active.Import.Interval",
        MeterValueSampleInterval="100",
    ).run(30)
    station.feed(EvPause(1)).run(30)
    station.feed(EvResume(1)).run(45)
    told = [(round(call.at), sampled(call)[0]["context"]) for call in station.sent("MeterValues")]
    assert told == [(30, "Interruption.Begin"), (60, "Interruption.End"), (100, "Sample.Periodic")]
    readings = [values(call) for call in station.sent("MeterValues")]
    total = sum(reading["Energy.Active.Import.Interval", None] for reading in readings)
    assert total == readings[-1]["Energy.Active.Import.Register", None]


@pytest.mark.parametrize(("personality", "interval"), [(SPEC, "0"), (GREENUP, "100")])
def test_no_sampling_and_the_product_tell_no_interruptions(personality, interval):
    """MV-10, MV-1: an interval of 0 means no sampled values at all."""
    station = charging(personality, MeterValueSampleInterval=interval).run(30)
    station.feed(EvPause(1)).run(30).feed(EvResume(1)).run(35)
    assert not station.sent("MeterValues")


# ---- transactionData


def contexts(stop):
    return [entry["sampledValue"][0]["context"] for entry in stop.payload.get("transactionData", [])]


def test_transaction_data_holds_the_beginning_every_sample_and_the_end():
    """MV-7."""
    station = charging(StopTxnSampledData="Energy.Active.Import.Register", MeterValueSampleInterval="20").run(
        50
    )
    station.swipe()
    (stop,) = station.sent("StopTransaction")
    assert contexts(stop) == ["Transaction.Begin", "Sample.Periodic", "Sample.Periodic", "Transaction.End"]
    registers = [int(entry["sampledValue"][0]["value"]) for entry in stop.payload["transactionData"]]
    assert registers == [0, 61, 122, 153]


def test_aligned_moments_of_the_transaction_are_in_its_data():
    """MV-7."""
    keys = {"ClockAlignedDataInterval": "600", "StopTxnAlignedData": "Energy.Active.Import.Register"}
    station = charging(MeterValuesAlignedData="", MeterValueSampleInterval="0", **keys).run(1500)
    station.swipe()
    assert contexts(station.sent("StopTransaction")[0]) == ["Sample.Clock", "Sample.Clock"]
    assert not station.sent("MeterValues")


def test_both_lists_empty_mean_no_transaction_data_at_all():
    """MV-7 (E3.14)."""
    station = charging(StopTxnSampledData="").run(100)
    station.swipe()
    assert "transactionData" not in station.sent("StopTransaction")[0].payload


def test_a_long_transaction_loses_intermediate_entries_only():
    """MV-7 (E3.89)."""
    station = charging(
        StopTxnSampledData="Voltage", MeterValueSampleInterval="10", StopTransactionMaxMeterValues="5"
    ).run(1000)
    station.swipe()
    kept = contexts(station.sent("StopTransaction")[0])
    assert (len(kept), kept[0], kept[-1]) == (5, "Transaction.Begin", "Transaction.End")


@pytest.mark.parametrize("restarted", [revived, lambda station: station.power(on=False)])
def test_after_a_power_loss_the_data_ends_with_the_last_stored_register(restarted):
    """MV-7, TX-10: Transaction.End tells what is known, and invents no current, power or voltage."""
    station = charging(StopTxnSampledData=ALL, MeterValueSampleInterval="20").run(50)
    (stop,) = restarted(station).power().run(5).sent("StopTransaction")
    assert contexts(stop) == ["Transaction.Begin", "Sample.Periodic", "Sample.Periodic", "Transaction.End"]
    *_, sample, end = stop.payload["transactionData"]
    assert end["timestamp"] == stop.payload["timestamp"] == sample["timestamp"]
    told = {one["measurand"]: int(one["value"]) for one in end["sampledValue"]}
    assert told == {"Energy.Active.Import.Interval": 0, "Energy.Active.Import.Register": 122}
    assert stop.payload["meterStop"] == 122


def test_after_a_power_loss_the_last_interval_counts_what_was_told_since_the_last_sample():
    """MV-5, MV-7, TX-10: a triggered register is a stored one; the product has only the end (LG-4)."""
    station = charging(GREENUP, StopTxnSampledData=ALL, MeterValueSampleInterval="20").run(30)
    station.command("TriggerMessage", requestedMessage="MeterValues", connectorId=1)
    (stop,) = revived(station.run(5)).power().run(5).sent("StopTransaction")
    (end,) = stop.payload["transactionData"]
    told = {one["measurand"]: float(one["value"]) for one in end["sampledValue"]}
    assert told["Energy.Active.Import.Register"] == stop.payload["meterStop"] == 92
    assert told["Energy.Active.Import.Interval"] == pytest.approx(92 - 61.33, abs=0.01)


def test_after_a_power_loss_a_list_without_registers_has_no_end():
    """MV-7, TX-10: nothing is known of the voltage at the end."""
    station = charging(StopTxnSampledData="Voltage", MeterValueSampleInterval="20").run(30)
    (stop,) = revived(station).power().run(5).sent("StopTransaction")
    assert contexts(stop) == ["Transaction.Begin", "Sample.Periodic"]


# ---- triggered


def test_triggered_values_have_their_own_context_and_are_no_members_of_the_queue():
    """TM-2, Q-2: a failure is not repeated; the queue does not wait for it."""
    station = charging(connectors=2)
    station.answer["MeterValues"] = "InternalError"
    assert station.command("TriggerMessage", requestedMessage="MeterValues") == {"status": "Accepted"}
    calls = station.sent("MeterValues")
    assert [call.payload["connectorId"] for call in calls] == [0, 1, 2]
    assert [call.payload.get("transactionId") for call in calls] == [None, 1001, None]
    assert {one["context"] for call in calls for one in sampled(call)} == {"Trigger"}
    assert station.station.backlog == 0


def test_there_is_a_column_for_everything_that_can_be_asked_for():
    """MV-8: what the key table offers is what a sample can be made of."""
    sight = Sight(IDLE, 16.0, 1234.0, 1200.0, 1)
    for personality in Personality:
        for context in ReadingContext:
            filled = template(",".join(METERED), context, 1, personality).fill("now", sight)
            values = [float(each["value"]) for each in json.loads(filled)["sampledValue"]]
            assert len(values) == len(METERED)
            assert {34.0, 230.0, 16.0} <= set(values)  # interval, voltage, offer


def test_without_measurands_a_trigger_for_them_is_rejected():
    """TM-1, MV-8: nothing would follow an Accepted."""
    station = charging(MeterValuesSampledData="")
    assert station.command("TriggerMessage", requestedMessage="MeterValues") == {"status": "Rejected"}
    assert not station.sent("MeterValues")


INTERVAL = {"MeterValuesSampledData": "Energy.Active.Import.Interval", "MeterValueSampleInterval": "0"}


def test_an_idle_meter_without_a_clock_has_no_interval_with_energy_in_it():
    """MV-5, TM-2: yesterday's sessions are not the last interval."""
    station = charging(connectors=2, **INTERVAL).run(600).swipe().run(10).unplug()
    station.command("TriggerMessage", requestedMessage="MeterValues")
    assert [sampled(call)[0]["value"] for call in station.sent("MeterValues")] == ["0", "0", "0"]


def test_the_main_meter_s_interval_does_not_begin_anew_with_the_process():
    """MV-5, BOOT-11: out of the store the sum of the sides is known, not energy of the first interval."""
    keys = {
        "MeterValuesAlignedData": "Energy.Active.Import.Interval,Energy.Active.Import.Register",
        "ClockAlignedDataInterval": "900",
    }
    station = charging(connectors=2, **keys).run(600).swipe().run(10)
    again = bench(personality=SPEC, connectors=2, keys=keys, power=False)
    again.station.restore(station.station.snapshot())
    again.power().run(900)
    main, side, _ = again.sent("MeterValues")
    assert [one["value"] for one in sampled(main)] == [one["value"] for one in sampled(side)] == ["0", "1840"]


lists = st.lists(
    st.sampled_from([*ALL.split(","), "Voltage.L2", "Current.Import.L3"]), min_size=1, max_size=12
)


@given(lists, st.sampled_from(ReadingContext), st.sampled_from([1, 3]), st.sampled_from(Personality))
def test_a_template_has_a_hole_per_column(wanted, context, phases, personality):
    made = template(",".join(wanted), context, phases, personality)
    if made is None:
        assert phases == 1
        return
    reading = Reading((231.0, 232.0, 233.0), (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), (7.0, 8.0, 9.0), 10.0)
    filled = json.loads(made.fill("2024-01-01T00:00:00Z", Sight(reading, 16.0, 1234.0, 1200.0, phases)))
    assert filled["timestamp"] == "2024-01-01T00:00:00Z"
    measurands, asked = {each["measurand"] for each in filled["sampledValue"]}, set(wanted)
    known = asked if phases == 3 else asked - {"Voltage.L2", "Current.Import.L3"}
    assert measurands == {split_phase(item)[0] for item in known}
    assert all(float(each["value"]) >= 0 for each in filled["sampledValue"])


def test_stations_with_one_list_share_one_template():
    """C2: nothing per station."""
    first, second = bench().station, bench(seed=2).station
    lists_ = {station.configuration[METER_VALUES_SAMPLED_DATA] for station in (first, second)}
    assert len(lists_) == 1
    wanted = lists_.pop()
    made = [template(wanted, ReadingContext.SAMPLE_PERIODIC, 3, GREENUP) for _ in range(2)]
    assert made[0] is made[1]
