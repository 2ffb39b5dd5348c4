"""The status table, StatusNotification, cables, locks and faults."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.cars import Car
from profiles.supply import supply_of
from profiles.wish import Wish
from stations.core import status
from stations.core.connector import THROUGH, TRANSITIONS, Connector, _move
from stations.core.events import (
    ClearFault,
    EvPause,
    EvResume,
    Fault,
    LockFailure,
    PlugOut,
    PlugOutEv,
    SetKey,
    Swipe,
)
from stations.core.plan import Personality
from stations.core.states_page import render_states
from stations.errors import PlanError, StationBug
from stations.wire.types import ChargePointStatus as Status
from tests.support.bench import SILENT, bench
from tests.support.vehicle import SteadyCar

SPEC = Personality.SPEC

# Section 4.9 of the specification, row by row: from, then each label with its target's column.
COLUMNS = [
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEV",
    "SuspendedEVSE",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
]
ROWS = {
    "Available": "A2 A3 A4 A5 A7 A8 A9",
    "Preparing": "B1 B3 B4 B5 B6 B9",
    "Charging": "C1 C4 C5 C6 C8 C9",
    "SuspendedEV": "D1 D3 D5 D6 D8 D9",
    "SuspendedEVSE": "E1 E3 E4 E6 E8 E9",
    "Finishing": "F1 F2 F8 F9",
    "Reserved": "G1 G2 G8 G9",
    "Unavailable": "H1 H2 H3 H4 H5 H9",
    "Faulted": "I1 I2 I3 I4 I5 I6 I7 I8",
}


class SlowCar(SteadyCar):
    """Asks for energy a while after the first offer."""

    def __init__(self, delay_s, **more):
        super().__init__(**more)
        self.delay_s = delay_s
        self.ready_at = None

    def offer(self, now, limit_a):
        super().offer(now, limit_a)
        if limit_a and self.ready_at is None:
            self.ready_at = now + self.delay_s
            self._paused = True

    def _wake(self, now):
        if self.ready_at is not None and now >= self.ready_at and self._paused:
            self._paused = False

    def drawing(self, now):
        self._wake(now)
        return super().drawing(now)

    def next_change(self, now):
        self._wake(now)
        if self._paused and self.ready_at is not None:
            return self.ready_at
        return super().next_change(now)


def test_the_table_is_that_of_the_specification():
    """Section 4.9: every legal transition, every label, and none beside them."""
    expected = {
        Status(source): {Status(COLUMNS[int(label[1]) - 1]): label for label in labels.split()}
        for source, labels in ROWS.items()
    }
    assert expected == TRANSITIONS


@given(st.sampled_from(Status), st.sampled_from(Status))
def test_a_connector_never_leaves_its_table(source, target):
    """ST-1: what the table does not have is a bug of ours, unless two legal steps stand for it."""
    station = bench().station
    connector = Connector(1, 32.0)
    connector.below = source
    if target in TRANSITIONS[source]:
        _move(station, connector, target)
        assert connector.below is target
    elif (source, target) in THROUGH:
        between = THROUGH[source, target]
        assert between in TRANSITIONS[source]
        assert target in TRANSITIONS[between]
    elif source is not target:
        with pytest.raises(StationBug, match="no way from"):
            _move(station, connector, target)


# ---- plug, tag, time-outs


@pytest.mark.parametrize("personality", Personality)
@pytest.mark.parametrize("plug_first", [True, False])
def test_plug_and_tag_in_either_order_pass_preparing_once(personality, plug_first):
    """ST-2, ST-3 (TC_003, TC_004)."""
    station = bench(personality=personality)
    for step in (station.plug, station.swipe) if plug_first else (station.swipe, station.plug):
        step()
        station.run(5)
    assert station.statuses(1) == ["Available", "Preparing", "Charging"]
    assert len(station.sent("StartTransaction")) == 1


def test_status_notification_is_written_as_the_guide_prints_it():
    """ST-1, LG-1."""
    assert list(bench().sent("StatusNotification")[1].payload.items()) == [
        ("connectorId", 1),
        ("errorCode", "NoError"),
        ("info", "No failure"),
        ("status", "Available"),
        ("vendorId", "Legrand"),
    ]


def test_spec_gives_the_time_of_the_event():
    """ST-1, RPC-11: optional fields that are not known are left out."""
    payload = bench(personality=SPEC).sent("StatusNotification")[1].payload
    assert list(payload) == ["connectorId", "errorCode", "status", "timestamp"]


@pytest.mark.parametrize("personality", [SPEC])
def test_the_time_of_a_held_back_status_is_that_of_the_change(personality):
    """ST-1, ST-6, ST-14: not the time at which it is told; what a boot or a trigger tells is as of now."""
    station = bench(personality=personality, keys={"MinimumStatusDuration": "10"}).run(20)
    plugged = station.now
    station.plug().run(15)
    told = station.sent("StatusNotification")[-1]
    assert (told.payload["status"], told.at) == ("Preparing", plugged + 10)
    assert told.payload["timestamp"] == station.time(plugged - station.now)
    station.cut(stay_down=True)
    unplugged = station.now
    station.unplug().run(100).mend().run(120)
    told = station.sent("StatusNotification")[-1]
    assert told.payload["status"] == "Available"
    assert told.payload["timestamp"] == station.time(unplugged - station.now)
    station.command("TriggerMessage", requestedMessage="StatusNotification", connectorId=1)
    assert station.sent("StatusNotification")[-1].payload["timestamp"] == station.time(0)


def test_a_tag_without_a_cable_is_forgotten():
    """ST-4 (TC_004_2, AUTH-9, TC_061): ConnectionTimeOut from the beginning of Preparing."""
    station = bench()
    station.swipe().run(59)
    assert station.status() == "Preparing"
    station.run(1)
    assert station.statuses(1) == ["Available", "Preparing", "Available"]
    station.plug().run(5)
    assert not station.sent("StartTransaction")


def test_a_cable_without_a_tag_ends_in_finishing():
    """ST-4, E3.20: B6; F1 on unplugging, F2 when a tag comes after all (ST-5)."""
    station = bench()
    station.plug().run(60)
    assert station.statuses(1)[-1] == "Finishing"
    station.swipe()
    assert station.statuses(1)[-2:] == ["Preparing", "Charging"]
    other = bench()
    other.plug().run(60).unplug()
    assert other.statuses(1)[-1] == "Available"


def test_zero_never_times_out_and_a_change_counts_at_once():
    """ST-4, CC-3."""
    station = bench(keys={"ConnectionTimeOut": "0"})
    station.plug().run(5000)
    assert station.status() == "Preparing"
    station.command("ChangeConfiguration", key="ConnectionTimeOut", value="20")
    station.run(20)
    assert station.status() == "Finishing"


def test_a_vehicle_gets_a_moment_to_close_its_contactor_before_it_counts_as_suspended():
    """ST-2."""
    quick, slow = bench(), bench()
    quick.plug(1, SlowCar(3)).swipe().run(20)
    slow.plug(1, SlowCar(15)).swipe().run(20)
    assert quick.statuses(1) == ["Available", "Preparing", "Charging"]
    assert slow.statuses(1) == ["Available", "Preparing", "SuspendedEV", "Charging"]


def test_a_vehicle_that_is_full_or_paused_suspends_and_resumes():
    """ST-2, MV-9."""
    station = bench()
    station.plug(1, SteadyCar(capacity_wh=1000)).swipe().run(10)
    station.feed(EvPause(1)).run(10).feed(EvResume(1)).run(3600)
    assert station.statuses(1)[1:] == ["Preparing", "Charging", "SuspendedEV", "Charging", "SuspendedEV"]
    assert station.station.meter_wh(1, station.now) == 1000
    assert station.station.power_w(1, station.now) == 0


def test_what_the_station_withholds_wins_over_what_the_vehicle_does_not_take():
    """ST-2: both → SuspendedEVSE."""
    station = bench()
    station.plug().swipe().run(1).feed(EvPause(1))
    station.command("ChangeConfiguration", key="chargingStationMaxLimit", value="5")
    assert station.statuses(1)[-2:] == ["SuspendedEV", "SuspendedEVSE"]


def test_unplugging_after_the_end_frees_the_connector():
    """ST-5, TX-7: Finishing, then Available; the cable was unlocked by the stop."""
    station = bench()
    station.plug().swipe().run(10).swipe()
    assert station.status() == "Finishing"
    assert not station.station.connectors[1].locked
    station.unplug()
    assert station.statuses(1)[-2:] == ["Finishing", "Available"]


@pytest.mark.parametrize("detachable", [True, False])
def test_removing_the_whole_cable_ends_the_transaction(detachable):
    """ST-5."""
    station = bench(detachable_cable=detachable)
    station.plug().swipe().run(10).unplug()
    assert station.sent("StopTransaction")[0].payload["reason"] == "EVDisconnected"
    assert station.statuses(1)[-1] == "Available"


def test_changes_faster_than_the_minimum_status_duration_are_not_told():
    """ST-6: only what is stable is reported; the last one always gets out."""
    station = bench(keys={"MinimumStatusDuration": "10"}).run(20)
    count = len(station.calls)
    station.plug().run(4)
    station.swipe().run(9)
    assert station.statuses(1, count) == []
    assert "StartTransaction" in station.actions(count)
    station.run(1)
    assert station.statuses(1, count) == ["Charging"]
    station.feed(EvPause(1)).run(3).feed(EvResume(1)).run(30)
    assert station.statuses(1, count) == ["Charging"]
    assert station.shown(1)[-2:] == ["SuspendedEV", "Charging"]


def test_a_changed_minimum_status_duration_counts_for_what_is_held_back():
    """ST-6, CC-3."""
    station = bench(keys={"MinimumStatusDuration": "600"}).plug().run(10)
    assert station.statuses(1)[-1] == "Available"
    station.command("ChangeConfiguration", key="MinimumStatusDuration", value="0")
    station.run(0)
    assert station.statuses(1)[-1] == "Preparing"


def test_the_cable_pulled_at_the_vehicle_ends_the_transaction():
    """ST-7 (TC_005_1): Finishing with the reason in info; unlocked."""
    station = bench()
    station.plug().swipe().run(10).feed(PlugOutEv(1))
    assert station.sent("StopTransaction")[0].payload["reason"] == "EVDisconnected"
    told = station.sent("StatusNotification")[-1].payload
    assert (told["status"], told["info"]) == ("Finishing", "EV side disconnected")
    station.unplug()
    assert station.status() == "Available"


def test_a_cable_that_stays_locked_waits_for_its_owner():
    """ST-7 (TC_005_2): UnlockConnectorOnEVSideDisconnect=false."""
    station = bench(personality=SPEC, keys={"UnlockConnectorOnEVSideDisconnect": "false"})
    station.plug().swipe().run(10).feed(PlugOutEv(1)).feed(PlugOut(1))
    assert station.status() == "Finishing"
    station.swipe("OTHER", 1).unplug()
    assert station.station.connectors[1].plugged
    station.swipe().unplug()
    assert station.status() == "Available"


def test_greenup_unlocks_whatever_the_key_says():
    """ST-7: section 15, 1."""
    station = bench(keys={"UnlockConnectorOnEVSideDisconnect": "false"})
    station.plug().swipe().run(10).feed(PlugOutEv(1)).feed(PlugOut(1))
    assert station.status() == "Available"


def test_a_transaction_may_survive_the_vehicles_absence():
    """ST-8 (TC_005_3): SuspendedEV, locked, resumed by plugging in again, stopped remotely."""
    station = bench(personality=SPEC, keys={"StopTransactionOnEVSideDisconnect": "false"})
    station.plug().swipe().run(60).feed(PlugOutEv(1)).feed(PlugOut(1)).run(30)
    told = station.sent("StatusNotification")[-1].payload
    assert (told["status"], told["errorCode"], told["info"]) == (
        "SuspendedEV",
        "NoError",
        "EV side disconnected",
    )
    station.plug().run(30)
    assert station.statuses(1)[-1] == "Charging"
    assert station.command("RemoteStopTransaction", transactionId=1001)["status"] == "Accepted"
    stop = station.sent("StopTransaction")[0].payload
    assert stop["reason"] == "Remote"
    assert stop["meterStop"] == pytest.approx(11040 * 90 / 3600, abs=1)


# ---- faults


FAULTS = sorted(status.ChargePointErrorCode)


@pytest.mark.parametrize("error_code", [code for code in FAULTS if code not in status.WARNINGS])
def test_a_fault_hides_the_status_and_clearing_it_shows_it_again(error_code):
    """ST-9, ST-11 (TC_041): no new transaction meanwhile."""
    station = bench()
    station.plug().feed(Fault(1, error_code, "E42"))
    told = station.sent("StatusNotification")[-1].payload
    assert (told["status"], told["errorCode"], told["vendorErrorCode"]) == ("Faulted", error_code, "E42")
    station.swipe().run(30)
    assert not station.sent("StartTransaction")
    station.feed(ClearFault(1))
    told = station.sent("StatusNotification")[-1].payload
    assert (told["status"], told["errorCode"]) == ("Preparing", "NoError")


def test_an_unsafe_fault_ends_the_transaction_and_a_tolerable_one_suspends_it():
    """ST-11, TX-6."""
    unsafe, hot, button = bench(), bench(), bench()
    for station, event in (
        (unsafe, Fault(1, "GroundFailure")),
        (hot, Fault(1, "HighTemperature")),
        (button, Fault(1, "OtherError", "EmergencyStop")),
    ):
        station.plug().swipe().run(10).feed(event).run(10)
    assert unsafe.sent("StopTransaction")[0].payload["reason"] == "Other"
    assert button.sent("StopTransaction")[0].payload["reason"] == "EmergencyStop"
    assert not hot.sent("StopTransaction")
    assert hot.station.power_w(1, hot.now) == 0
    hot.feed(ClearFault(1))
    assert hot.statuses(1)[-2:] == ["Faulted", "Charging"]
    unsafe.feed(ClearFault(1))
    assert unsafe.statuses(1)[-2:] == ["Faulted", "Finishing"]


def test_a_warning_leaves_the_status_alone():
    """ST-9: charging goes on."""
    station = bench()
    station.plug().swipe().run(10).feed(Fault(1, "WeakSignal"))
    told = station.sent("StatusNotification")[-1].payload
    assert (told["status"], told["errorCode"]) == ("Charging", "WeakSignal")
    assert station.station.power_w(1, station.now) > 0


def test_ev_communication_error_is_told_only_with_the_statuses_it_fits():
    """ST-10: never with Faulted, Available or Charging."""
    station = bench()
    station.feed(Fault(1, "EVCommunicationError")).plug().swipe().run(10).feed(EvPause(1))
    told = [call.payload for call in station.sent("StatusNotification") if call.payload["connectorId"] == 1]
    assert [(one["status"], one["errorCode"]) for one in told] == [
        ("Available", "NoError"),
        ("Preparing", "EVCommunicationError"),
        ("Charging", "NoError"),
        ("SuspendedEV", "EVCommunicationError"),
    ]


def test_a_fault_of_the_whole_station_is_told_for_connector_0_and_stops_everything():
    """ST-9."""
    station = bench(connectors=2)
    station.plug(1).feed(Swipe("A", (1,))).run(5).feed(Fault(0, "PowerSwitchFailure"))
    assert station.statuses(0)[-1] == "Faulted"
    assert station.sent("StopTransaction")[0].payload["reason"] == "Other"
    station.plug(2).feed(Swipe("B", (2,))).run(5)
    assert len(station.sent("StartTransaction")) == 1
    station.feed(ClearFault(0))
    assert station.statuses(0)[-2:] == ["Faulted", "Available"]


def test_a_jammed_lock_prevents_the_start():
    """ST-12 (TC_024)."""
    station = bench()
    station.feed(LockFailure(1, True)).plug().swipe().run(5)
    told = station.sent("StatusNotification")[-1].payload
    assert (told["status"], told["errorCode"]) == ("Faulted", "ConnectorLockFailure")
    assert not station.sent("StartTransaction")
    station.feed(LockFailure(1, False))
    assert station.statuses(1)[-1] == "Preparing"


def test_an_attached_cable_has_no_lock_to_jam():
    """ST-12."""
    station = bench(detachable_cable=False)
    station.feed(LockFailure(1, True)).plug().swipe().run(5)
    assert station.status() == "Charging"


def test_input_that_names_nothing_is_the_callers_error_and_changes_nothing():
    station = bench()
    for event in (Fault(1, "Hiccup"), Fault(7, "GroundFailure"), SetKey("Colour", "red"), PlugOut(2)):
        with pytest.raises(PlanError):
            station.feed(event)
    assert station.status() == "Available"


# ---- telling


def test_after_an_offline_time_only_news_are_told_and_no_history():
    """ST-14: the current status of connectors whose status is another than the one delivered last."""
    station = bench(connectors=2)
    station.cut(stay_down=True)
    count = len(station.calls)
    station.plug(1).run(10).unplug(1)
    station.plug(2).run(70)
    station.mend().run(300)
    told = [call.payload for call in station.sent("StatusNotification", count)]
    assert [(one["connectorId"], one["status"]) for one in told] == [(2, "Finishing")]


def test_a_status_that_was_not_delivered_is_news_after_the_next_reconnect():
    """ST-14."""
    station = bench()
    station.answer["StatusNotification"] = SILENT
    station.plug().cut()
    del station.answer["StatusNotification"]
    count = len(station.calls)
    station.run(59)
    assert station.statuses(1, count) == ["Preparing"]


def test_the_right_side_is_connector_1_and_the_left_is_2():
    """ST-15: numbered without gaps; each side has its own limit."""
    keys = {"MaxCurrentInstallationRight": "10", "MaxCurrentInstallationLeft": "20"}
    station = bench(connectors=2, keys=keys)
    assert [station.station.limit_a(number) for number in (1, 2)] == [10, 20]
    assert (
        station.command("GetConfiguration", key=["NumberOfConnectors"])["configurationKey"][0]["value"] == "2"
    )


actions = st.lists(
    st.sampled_from(
        [
            lambda b: b.plug(1),
            lambda b: b.plug(2, SteadyCar(amps=32, phases=1, capacity_wh=500)),
            lambda b: b.unplug(1),
            lambda b: b.feed(PlugOutEv(2)),
            lambda b: b.unplug(2),
            lambda b: b.swipe("A"),
            lambda b: b.swipe("A", 1),
            lambda b: b.swipe("B", 2),
            lambda b: b.feed(EvPause(1)),
            lambda b: b.feed(EvResume(1)),
            lambda b: b.feed(Fault(1, "GroundFailure")),
            lambda b: b.feed(Fault(0, "HighTemperature")),
            lambda b: b.feed(ClearFault(1)),
            lambda b: b.feed(ClearFault(0)),
            lambda b: b.feed(LockFailure(2, True)),
            lambda b: b.feed(LockFailure(2, False)),
            lambda b: b.command("ChangeAvailability", connectorId=1, type="Inoperative"),
            lambda b: b.command("ChangeAvailability", connectorId=0, type="Inoperative"),
            lambda b: b.command("ChangeAvailability", connectorId=0, type="Operative"),
            lambda b: b.command("RemoteStartTransaction", idTag="C"),
            lambda b: b.command("RemoteStopTransaction", transactionId=1001),
            lambda b: b.command("UnlockConnector", connectorId=1),
            lambda b: b.command(
                "ReserveNow", connectorId=1, reservationId=1, idTag="A", expiryDate=b.time(100)
            ),
            lambda b: b.command(
                "ReserveNow", connectorId=0, reservationId=2, idTag="B", expiryDate=b.time(500)
            ),
            lambda b: b.command("CancelReservation", reservationId=1),
            lambda b: b.command("Reset", type="Soft"),
            lambda b: b.command("Reset", type="Hard"),
            lambda b: b.command("UpdateFirmware", location="http://x/V02.00.bin", retrieveDate=b.time()),
            lambda b: b.cut(),
            lambda b: b.power(on=False),
            lambda b: b.power(),
            lambda b: b.run(7),
            lambda b: b.run(70),
            lambda b: b.run(400),
        ]
    ),
    max_size=40,
)


@settings(max_examples=150)
@given(actions, st.sampled_from(Personality), st.booleans())
def test_whatever_happens_the_station_keeps_its_tables_and_its_registers(steps, personality, detachable):
    """ST-1, MV-5, TX-11: no StationBug, told statuses follow the table, registers never go back."""
    station = bench(personality=personality, connectors=2, detachable_cable=detachable)
    registers = [0, 0, 0]
    for step in steps:
        step(station)
        for number in (1, 2):
            register = station.station.meter_wh(number, station.now)
            assert register >= registers[number]
            registers[number] = register
    sequences = [entry.sequence for entry in station.journal() if entry.state == "started"]
    assert sequences == list(range(1, len(sequences) + 1))


def test_the_page_about_the_table_is_the_table():
    """Section 4.9 as documented: generated, never by hand."""
    page = Path(__file__).parents[2] / "docs" / "connector-states.md"
    assert page.read_text() == render_states(), (
        "python -m stations.core.states_page > docs/connector-states.md"
    )


def waking_car():
    """Draws two seconds after every offer that follows none."""
    return Car(Wish(current_a=16.0, wake_s=2.0), supply_of(1, "waking", "car"), phases=1, noise=1)


@pytest.mark.parametrize(
    ("gone", "back", "shown"),
    [
        (SetKey("chargingStationMaxLimit", "0"), SetKey("chargingStationMaxLimit", "32"), "SuspendedEVSE"),
        (Fault(1, "HighTemperature"), ClearFault(1), "Faulted"),
    ],
    ids=["limit", "fault"],
)
def test_energy_that_is_back_shows_charging_without_a_suspended_ev_between(gone, back, shown):
    """SC-12, ST-11: the contactor closes, and a car that wakes up within seconds is not suspended."""
    station = bench(personality=SPEC)
    station.plug(car=waking_car()).swipe().run(10)
    count = len(station.calls)
    station.feed(gone).run(5).feed(back).run(10)
    assert station.statuses(1, count) == [shown, "Charging"]


def test_a_car_that_pauses_is_suspended_ev_as_soon_as_there_is_energy():
    """ST-2: what is offered and not taken is SuspendedEV."""
    station = bench(personality=SPEC)
    station.plug(car=waking_car()).swipe().run(10)
    station.feed(EvPause(1)).feed(SetKey("chargingStationMaxLimit", "0"))
    count = len(station.calls)
    station.feed(SetKey("chargingStationMaxLimit", "32"))
    assert station.statuses(1, count) == ["SuspendedEV"]


@pytest.mark.parametrize("stop", ["true", "false"])
def test_an_attached_cable_pulled_at_the_vehicle_says_so_too(stop):
    """ST-7, ST-8: Finishing on the way to Available, or SuspendedEV; then nothing is left in the socket."""
    keys = {"StopTransactionOnEVSideDisconnect": stop}
    station = bench(personality=SPEC, detachable_cable=False, keys=keys)
    station.plug().swipe().run(10)
    count = len(station.calls)
    station.feed(PlugOutEv(1))
    told = station.sent("StatusNotification", count)[0].payload
    assert told["info"] == "EV side disconnected"
    if stop == "true":
        assert station.statuses(1, count) == ["Finishing", "Available"]
        return
    assert station.statuses(1, count) == ["SuspendedEV"]
    station.command("RemoteStopTransaction", transactionId=1001)
    assert station.status() == "Available"


def test_a_tag_that_waits_for_its_cable_outlives_a_fault_but_not_its_time():
    """ST-11 (I2), ST-9, ST-4: the state before the fault comes back; nothing starts under it."""
    station = bench(personality=SPEC)
    station.swipe().feed(Fault(1, "UnderVoltage")).run(5)
    count = len(station.calls)
    station.feed(ClearFault(1))
    assert station.statuses(1, count) == ["Preparing"]
    station.feed(Fault(1, "UnderVoltage")).plug().run(5)
    assert not station.sent("StartTransaction")
    station.feed(ClearFault(1)).run(5)
    assert station.status() == "Charging"
    station.swipe().unplug()
    station.swipe("B").feed(Fault(0, "UnderVoltage")).run(61).feed(ClearFault(0))
    assert station.status() == "Available"
