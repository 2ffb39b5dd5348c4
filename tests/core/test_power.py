"""Resets, restarts, power cuts, and what survives them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stations.core import hardware
from stations.core.events import (
    Activate,
    ClearFault,
    CloseLink,
    DropLink,
    Fault,
    LockFailure,
    Persist,
    PlugIn,
    PowerOn,
    Reboot,
    Send,
    SetKey,
    Swipe,
)
from stations.core.keys import CONNECTION_TIME_OUT
from stations.core.memory import Kept
from stations.core.plan import Personality, Plan, Product
from stations.core.station import Station
from stations.core.transaction_record import Transaction
from stations.core.transfers import Odds, Transfers
from stations.errors import PlanError
from tests.support.bench import EPOCH, SILENT, Bench, bench, revived
from tests.support.vehicle import SteadyCar

OFFLINE = {"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": "true"}


# ---- Reset


def test_a_soft_reset_tells_the_central_system_first():
    """RE-1, RE-2, CMD-1 (TC_015): answer, StopTransaction and its answer, close, boot, statuses."""
    station = bench(personality=Personality.SPEC)
    station.plug().swipe().run(10)
    count, before = len(station.calls), len(station.effects)
    assert station.command("Reset", type="Soft") == {"status": "Accepted"}
    assert station.actions(count) == ["StatusNotification", "StopTransaction"]
    assert isinstance(station.effects[-1], CloseLink) or CloseLink in map(type, station.effects[before:])
    first = next(effect for effect in station.effects[before:] if isinstance(effect, Send))
    assert json.loads(first.data)[0] == 3
    station.run(30)
    assert station.actions(count)[2:] == ["BootNotification"] + ["StatusNotification"] * 2
    assert station.statuses(1, count) == ["Finishing", "Finishing"]
    assert len(station.sent("StartTransaction")) == 1  # charging does not resume by itself


def test_a_soft_reset_does_not_wait_for_ever():
    """RE-1: the queue keeps what was not delivered."""
    station = bench()
    station.answer["StopTransaction"] = SILENT
    station.plug().swipe().run(10)
    station.command("Reset", type="Soft")
    station.run(29)
    assert station.station.running
    station.run(1)
    assert not station.station.running
    del station.answer["StopTransaction"]
    station.run(40)
    reasons = [call.payload["reason"] for call in station.sent("StopTransaction")]
    assert set(reasons) == {"SoftReset"}
    assert station.station.backlog == 0


def test_a_hard_reset_restarts_at_once_and_tells_afterwards():
    """RE-1 (TC_016): no close handshake; HardReset is delivered after the boot."""
    station = bench()
    station.plug().swipe().run(10)
    count = len(station.calls)
    station.command("Reset", type="Hard")
    assert DropLink in map(type, station.effects)
    assert station.actions(count) == []
    station.run(30)
    assert station.actions(count)[0] == "BootNotification"
    assert station.sent("StopTransaction")[0].payload["reason"] == "HardReset"


def test_a_reset_offline_or_during_a_reset():
    """RE-1, RE-4: a hard one overtakes a soft one; the answer is Accepted each time."""
    station = bench()
    station.answer["StopTransaction"] = SILENT
    station.plug().swipe().run(10)
    assert station.command("Reset", type="Soft") == {"status": "Accepted"}
    station.swipe("B").command("RemoteStartTransaction", idTag="B")
    assert len(station.sent("StartTransaction")) == 1
    assert station.command("Reset", type="Hard") == {"status": "Accepted"}
    assert not station.station.running


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
def test_a_reset_that_fails_is_tried_as_often_as_the_key_says_and_then_life_goes_on(kind):
    """RE-4: ResetRetries further attempts, each as long as a reboot; the link stays."""
    station = bench(reboot_delay_s=20.0, keys={"ResetRetries": "2"})
    station.feed(Fault(0, "ResetFailure"))
    assert station.status(0) == "Faulted"
    assert station.command("Reset", type=kind) == {"status": "Accepted"}
    station.run(59.9)
    assert station.station.resetting is not None
    station.run(0.2)
    assert station.station.resetting is None
    assert station.station.serving
    assert station.actions().count("BootNotification") == 1
    station.feed(ClearFault(0))
    station.plug().swipe().run(1)
    assert station.status() == "Charging"


def test_a_reset_succeeds_as_soon_as_its_failure_is_gone():
    """RE-4, RE-2."""
    station = bench(reboot_delay_s=20.0)
    station.feed(Fault(0, "ResetFailure"))
    station.command("Reset", type="Soft")
    station.run(10).feed(ClearFault(0))
    station.run(60)
    assert station.actions().count("BootNotification") == 2


def test_no_reset_in_the_middle_of_an_installation():
    """RE-4: impossible → Rejected."""
    transfers = Transfers(download=Odds(1.0, spread=0.0), install=Odds(1000.0, spread=0.0))
    station = bench(transfers=transfers)
    station.command("UpdateFirmware", location="ftp://files/V02.bin", retrieveDate=station.time())
    station.run(30)
    assert station.sent("FirmwareStatusNotification")[-1].payload["status"] == "Installing"
    assert station.command("Reset", type="Hard") == {"status": "Rejected"}


def test_a_reset_keeps_configuration_availability_and_queue():
    """RE-3, CA-4, BOOT-11."""
    station = bench(connectors=2)
    station.command("ChangeConfiguration", key="ConnectionTimeOut", value="44")
    station.command("ChangeAvailability", connectorId=2, type="Inoperative")
    station.command("Reset", type="Soft")
    station.run(30)
    assert station.station.configuration[CONNECTION_TIME_OUT] == 44
    assert station.statuses()[-3:] == ["Available", "Available", "Unavailable"]


def test_a_restart_by_itself_takes_the_products_time():
    """TX-6, BOOT-1: nothing is said or heard meanwhile; physical facts are noted."""
    station = bench(reboot_delay_s=77.0)
    station.feed(Reboot()).plug()
    assert station.station.powered
    assert not station.station.running
    station.swipe().run(76.9)
    assert len(station.dialled) == 1
    station.run(0.1)
    assert len(station.dialled) == 2
    assert station.status() == "Preparing"


# ---- power cuts


def test_a_power_cut_drops_the_socket_and_forgets_what_is_volatile():
    """BOOT-1, BOOT-11."""
    station = bench(keys=OFFLINE)
    station.swipe("A").power(on=False).power(on=False)
    assert isinstance(station.effects[-1], type(station.effects[-1]))
    assert DropLink in map(type, station.effects)
    assert station.station.deadline() is None
    station.swipe("B").feed(LockFailure(1, False)).plug().run(100)
    assert station.station.connectors[1].presented is None
    count = len(station.calls)
    station.power().power()
    assert station.actions(count) == ["BootNotification"] + ["StatusNotification"] * 2
    assert station.status() == "Preparing"


def test_a_station_that_is_switched_off_stays_offline_after_a_power_cut():
    station = bench()
    station.feed(Activate(False)).power(on=False).power().run(1000)
    assert len(station.dialled) == 1


# ---- memory


def test_everything_that_must_survive_does():
    """BOOT-11, CA-4, CC-3, CACHE-2, LL-6, RN-5, SC-4, TX-10, Q-5: in a new process from the stored bytes."""
    station = bench(connectors=2, keys={"LocalAuthListEnabled": "true", **OFFLINE})
    entries = [{"idTag": "A", "idTagInfo": {"status": "Accepted"}}]
    station.command("SendLocalList", listVersion=3, updateType="Full", localAuthorizationList=entries)
    station.command("ChangeAvailability", connectorId=2, type="Inoperative")
    station.command("ChangeConfiguration", key="ConnectionTimeOut", value="44")
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 9.0}],
        },
    }
    station.command("SetChargingProfile", connectorId=0, csChargingProfiles=profile)
    station.plug(1).feed(Swipe("A", (1,))).run(45)
    station.cut(stay_down=True).run(20)
    assert station.station.backlog == 1
    register = station.station.meter_wh(1, station.now)
    again = revived(station)
    assert again.station.meter_wh(1, again.now) == register
    again.power().run(60)
    assert [call.action for call in again.calls if call.action != "StatusNotification"] == [
        "BootNotification",
        "MeterValues",
        "StopTransaction",
    ]
    stop = again.sent("StopTransaction")[0]
    assert (stop.payload["reason"], stop.payload["transactionId"]) == ("PowerLoss", 1001)
    assert round(again.unix(stop)) == 60
    assert again.status(2) == "Unavailable"
    assert again.station.configuration[CONNECTION_TIME_OUT] == 44
    assert again.command("ClearChargingProfile", id=1) == {"status": "Accepted"}
    again.plug(1).feed(Swipe("A", (1,)))
    assert again.sent("StartTransaction")[0].payload["meterStart"] >= register
    assert again.journal()[-1].sequence == 2


def test_a_queued_offline_transaction_survives_with_its_times():
    """TX-9, Q-5."""
    station = bench(keys=OFFLINE)
    station.cut(stay_down=True).plug().swipe().run(35).swipe().unplug()
    station.cut(stay_down=True)
    again = revived(station).power().run(2)
    sent = [call for call in again.calls if "Transaction" in call.action or call.action == "MeterValues"]
    assert [call.action for call in sent] == ["StartTransaction", "MeterValues", "StopTransaction"]
    assert {call.payload["transactionId"] for call in sent[1:]} == {1001}
    assert [entry.state for entry in again.journal()] == ["stopped", "settled"]


def test_a_durable_station_asks_to_be_stored_before_anything_is_sent():
    """BOOT-11: a store on disk may be killed at any moment."""
    plan = Plan("GU-1", "ws://host/GU-1", Product("059004", 1), durable=True)
    station = Bench(Station(plan, 1)).power()
    station.plug()
    before = len(station.effects)
    station.swipe()
    effects = station.effects[before:]
    starts = [
        index
        for index, effect in enumerate(effects)
        if isinstance(effect, Send) and b"StartTr" in effect.data
    ]
    stores = [index for index, effect in enumerate(effects) if isinstance(effect, Persist)]
    assert min(stores) < starts[0]
    assert not any(isinstance(effect, Persist) for effect in bench().effects)


def test_a_memory_of_something_else_is_refused():
    station = bench(power=False).station
    for data in (b"", b"{}", b"[1]", bench(connectors=2).station.snapshot()):
        with pytest.raises(PlanError):
            station.restore(data)


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(
            [
                lambda b: b.plug(1),
                lambda b: b.unplug(1),
                lambda b: b.swipe("A", 1),
                lambda b: b.cut(stay_down=True),
                lambda b: b.mend().run(120),
                lambda b: b.run(33),
                lambda b: b.feed(SetKey("ConnectionTimeOut", "12")),
                lambda b: b.command("ChangeAvailability", connectorId=1, type="Inoperative"),
            ]
        ),
        max_size=14,
    )
)
def test_a_memory_taken_at_any_moment_gives_the_same_memory_back(steps):
    """BOOT-11."""
    station = bench(keys=OFFLINE)
    for step in steps:
        step(station)
    data = station.station.snapshot()
    again = bench(power=False, keys=OFFLINE)
    again.station.restore(data)
    again.now = station.now
    told, kept = json.loads(again.station.snapshot()), json.loads(data)
    assert int(told.pop("message_id")) > int(kept.pop("message_id"))  # RPC-2
    assert told == kept
    again.feed(PowerOn(EPOCH))
    assert again.station.registration == "Accepted"


def test_the_memory_keeps_every_field_of_a_transaction():
    """BOOT-11: a field that is only in one of the two classes would be lost in a restart."""
    known = {name for name in dir(Transaction) if not name.startswith("_")}
    assert set(Kept.__struct_fields__) == known


# ---- determinism


def test_same_seed_and_events_give_the_same_bytes():
    """C1."""

    def trace(seed):
        station = bench(seed=seed, connectors=2)
        station.plug(1).swipe("A", 1).run(100).cut().run(400)
        station.swipe("A", 1).run(50).feed(Reboot()).run(200)
        return [effect.data for effect in station.effects if isinstance(effect, Send)], station.dialled

    assert trace(3) == trace(3)
    assert trace(3) != trace(4)


def test_a_car_that_stays_plugged_in_over_a_power_cut_is_counted_once():
    """MV-5: the register goes on where it was, whatever the car has had before."""
    station, car = bench(), SteadyCar()
    station.plug(car=car).swipe().run(3600)
    station.power(on=False)
    again = revived(station)
    again.feed(PlugIn(1, car)).power().run(2)
    assert again.station.meter_wh(1, again.now) == 11040
    again.swipe().run(3600).unplug()
    assert again.sent("StopTransaction")[-1].payload["meterStop"] == 22080


def test_a_bolt_that_was_shut_and_a_lock_that_jams_are_so_under_new_software():
    """TX-3, ST-12, RE-2: the cable still waits for its owner; the badge at the other side is forgotten."""
    invalid = {"transactionId": 7, "idTagInfo": {"status": "Invalid"}}
    station, car = bench(connectors=2, keys={"StopTransactionOnInvalidId": "true"}), SteadyCar()
    station.answer["StartTransaction"] = lambda _action, _payload: invalid
    station.plug(1, car).swipe("A", 1).run(1)
    station.feed(LockFailure(2, True)).swipe("B", 2).power(on=False)
    again = revived(station)
    hardware.stays(again.station, station.station)
    again.feed(PlugIn(1, car)).power().run(1).unplug(1)
    assert (again.status(1), again.status(2)) == ("Preparing", "Available")
    again.swipe("A", 1).unplug(1)
    assert again.status(1) == "Available"
    again.plug(2).swipe("B", 2).run(1)
    assert again.status(2) == "Faulted"
    assert again.sent("StartTransaction") == []


def test_no_register_told_on_demand_is_more_than_what_a_power_cut_leaves():
    """MV-5, TX-10: a triggered value is stored like any sample."""
    product = Product("059004", 1, personality=Personality.SPEC, keys={"MeterValueSampleInterval": "0"})
    station = Bench(Station(Plan("GU-1", "ws://host/GU-1", product, durable=True), 1)).power()
    station.plug().swipe().run(1800)
    count = len(station.effects)
    station.command("TriggerMessage", requestedMessage="MeterValues", connectorId=1)
    kinds = [type(effect) for effect in station.effects[count:]]
    assert kinds.index(Persist) < kinds.index(Send)
    told = station.sent("MeterValues")[-1].payload["meterValue"][0]["sampledValue"][0]["value"]
    again = revived(station).power().run(5)
    assert again.sent("StopTransaction")[0].payload["meterStop"] == int(told) == 5520
