"""Registration, heartbeat, clock."""

import itertools

import pytest

from stations.core.events import LinkUp, Outcome, PowerOn, RegistrationChanged, SetKey, Swipe
from stations.core.plan import Personality
from stations.wire.types import format_datetime, parse_datetime
from tests.support.bench import EPOCH, SILENT, bench

BOTH = pytest.mark.parametrize("personality", Personality)


def boot_answer(station, status, interval, at=0.0):
    station.answer["BootNotification"] = {
        "status": status,
        "currentTime": station.time(at),
        "interval": interval,
    }
    return station


def test_the_first_call_is_boot_notification_and_nothing_else_before_its_answer():
    """BOOT-1."""
    station = bench(power=False)
    station.answer["BootNotification"] = SILENT
    station.power().plug().swipe()
    station.command("TriggerMessage", requestedMessage="Heartbeat")
    assert station.actions() == ["BootNotification"]


def test_boot_notification_says_what_the_guide_prints():
    """BOOT-2, LG-1: the product's fields, in the guide's order, and no others."""
    assert list(bench().sent("BootNotification")[0].payload.items()) == [
        ("chargeBoxSerialNumber", "260988"),
        ("chargePointModel", "059004"),
        ("chargePointVendor", "Legrand"),
        ("firmwareVersion", "V01.01.65/V01.01.08"),
        ("meterType", "internal"),
    ]


@BOTH
def test_an_accepted_station_reports_every_connector_then_delivers_its_queue(personality):
    """BOOT-4, TX-9: statuses first, then queued messages in order."""
    station = bench(personality=personality, connectors=2, keys={"LocalAuthorizeOffline": "true"})
    station.feed(Swipe("TAG1", (1,)))
    station.plug(1)
    station.cut(stay_down=True).run(65)
    station.power(on=False).power()
    count = len(station.calls)
    station.mend().run(400)
    actions = station.actions(count)
    assert actions[:4] == ["BootNotification"] + ["StatusNotification"] * 3
    assert actions[4:7] == ["MeterValues", "MeterValues", "StopTransaction"]
    assert [call.payload["connectorId"] for call in station.calls[count + 1 : count + 4]] == [0, 1, 2]


def test_acceptance_sets_interval_and_clock():
    """BOOT-3: HeartbeatInterval is written; currentTime corrects the station's clock."""
    station = boot_answer(bench(power=False, personality=Personality.SPEC), "Accepted", 120, at=3600)
    station.power()
    told = station.sent("StatusNotification")[0].payload["timestamp"]
    assert told == station.time(3600)
    answer = station.command("GetConfiguration", key=["HeartbeatInterval"])
    assert answer["configurationKey"][0]["value"] == "120"
    station.run(120)
    assert station.actions()[-1] == "Heartbeat"


@pytest.mark.parametrize(
    ("personality", "interval", "kept"),
    [
        (Personality.GREENUP, 2, "10"),
        (Personality.SPEC, 2, "2"),
        (Personality.GREENUP, 90_000, "86400"),
        (Personality.GREENUP, 0, "60"),
        (Personality.SPEC, -5, "60"),
    ],
)
def test_the_products_range_clamps_the_interval_and_zero_changes_nothing(personality, interval, kept):
    """BOOT-3: greenup 10..86400; an interval of 0 or less is a finding."""
    station = boot_answer(bench(power=False, personality=personality), "Accepted", interval).power()
    answer = station.command("GetConfiguration", key=["HeartbeatInterval"])
    assert answer["configurationKey"][0]["value"] == kept
    assert station.findings() == (["BOOT-3"] if interval <= 0 else [])


def test_a_pending_station_waits_its_interval_and_answers_meanwhile():
    """BOOT-5, BOOT-7, TM-5: commands work and take effect; remote starts and stops are Rejected."""
    station = boot_answer(bench(power=False), "Pending", 100).power()
    assert station.command("ChangeConfiguration", key="ConnectionTimeOut", value="33")["status"] == "Accepted"
    assert station.command("RemoteStartTransaction", idTag="A")["status"] == "Rejected"
    assert station.command("RemoteStopTransaction", transactionId=1)["status"] == "Rejected"
    assert station.findings() == ["BOOT-7", "BOOT-7"]
    assert station.command("TriggerMessage", requestedMessage="StatusNotification", connectorId=1) == {
        "status": "Accepted"
    }
    station.run(99)
    assert station.actions() == ["BootNotification", "StatusNotification"]
    boot_answer(station, "Accepted", 300).run(1)
    assert station.actions()[2:] == ["BootNotification", "StatusNotification", "StatusNotification"]
    assert (
        station.station.configuration.text(station.station.configuration.known("connectiontimeout")) == "33"
    )


def test_a_rejected_station_is_silent_and_deaf_until_its_interval_is_over():
    """BOOT-5, BOOT-6: no CALL and no answer; asking it all the same is a finding."""
    station = boot_answer(bench(power=False), "Rejected", 100).power()
    assert station.command("GetConfiguration") is None
    assert station.raw(b'[2,"x","Nonsense"]').findings() == ["BOOT-6", "RPC-1"]
    assert not station.answers
    station.plug().swipe()
    station.run(99)
    assert station.actions() == ["BootNotification"]
    station.run(1)
    assert station.actions() == ["BootNotification", "BootNotification"]


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_an_interval_of_zero_is_replaced_by_one_that_floods_nobody(status):
    """BOOT-5."""
    station = boot_answer(bench(power=False), status, 0).power()
    assert station.findings() == ["BOOT-5"]
    station.run(300)
    moments = [call.at for call in station.sent("BootNotification")]
    assert all(30 <= b - a <= 60 for a, b in itertools.pairwise(moments))


@pytest.mark.parametrize(
    "reply", [SILENT, "SecurityError", {"status": "Perhaps"}], ids=["none", "error", "bad"]
)
def test_boot_notification_is_repeated_until_it_is_answered_properly(reply):
    """BOOT-8, RPC-4: after a time-out, a CALLERROR or nonsense, with jitter."""
    station = bench(power=False)
    station.answer["BootNotification"] = reply
    station.power().run(100)
    moments = [call.at for call in station.sent("BootNotification")]
    pause = moments[1] - moments[0]
    waited = 30 if reply is SILENT else 0
    assert waited + 30 <= pause <= waited + 60
    del station.answer["BootNotification"]
    station.run(100)
    assert station.station.registration == "Accepted"


def test_a_socket_lost_during_the_boot_starts_it_again_at_once():
    """BOOT-8."""
    station = bench(power=False)
    station.answer["BootNotification"] = SILENT
    station.power().cut().run(60)
    assert len(station.sent("BootNotification")) == 2
    assert station.sent("BootNotification")[1].at == station.dialled[1][0]


def test_a_station_that_was_never_accepted_lets_nobody_charge():
    """BOOT-9."""
    station = bench(power=False, keys={"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": "true"})
    station.accept_links = False
    station.power().plug().swipe()
    assert station.station.backlog == 0
    assert station.status() == "Preparing"


def test_a_station_accepted_before_charges_offline_by_its_rules_after_a_restart():
    """BOOT-9, BOOT-11."""
    station = bench(keys={"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": "true"})
    station.power(on=False)
    station.accept_links = False
    station.power().plug().swipe()
    assert station.station.backlog == 1
    assert station.status() == "Charging"


def test_a_station_accepted_elsewhere_lets_nobody_charge_at_a_new_address():
    """BOOT-9: acceptance belongs to a URL; the old one still counts."""
    keys = {"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": "true"}
    station = bench(keys=keys).power(on=False)
    station.accept_links = False
    station.power().feed(SetKey("URI", "ws://elsewhere/ocpp")).plug().swipe()
    assert station.station.backlog == 0
    station.feed(SetKey("URI", "ws://localhost:9000/ocpp")).swipe()
    assert station.station.backlog == 1


def test_a_triggered_boot_is_sent_while_pending_and_refused_afterwards():
    """BOOT-10, BOOT-5."""
    station = boot_answer(bench(power=False), "Pending", 1000).power()
    boot_answer(station, "Accepted", 300)
    assert station.command("TriggerMessage", requestedMessage="BootNotification")["status"] == "Accepted"
    assert station.station.registration == "Accepted"
    assert station.command("TriggerMessage", requestedMessage="BootNotification")["status"] == "Rejected"
    assert station.run(1100).actions().count("BootNotification") == 2


def test_registration_changes_are_facts():
    station = boot_answer(bench(power=False), "Pending", 10).power()
    boot_answer(station, "Accepted", 300).run(10)
    station.power(on=False)
    changes = [effect.status for effect in station.effects if isinstance(effect, RegistrationChanged)]
    assert changes == ["Pending", "Accepted", ""]


# ---- heartbeat


def test_an_idle_station_beats_every_interval_by_the_schedule():
    """HB-1: payload {}; due times come from the schedule, however late the edge is."""
    station = bench().run(1)
    while station.now < 3000:
        station.now = station.station.deadline() + 0.25  # an edge that is always late
        station._perform(station.station.on_deadline(station.now))
        station._settle()
    beats = station.sent("Heartbeat")
    assert all(beat.payload == {} for beat in beats)
    assert [beat.call.due for beat in beats] == [300.0 * n for n in range(1, len(beats) + 1)]


def test_another_call_within_the_interval_replaces_a_beat():
    """HB-2: the timer runs from every CALL that was sent; answers do not count."""
    station = bench().run(200)
    station.command("TriggerMessage", requestedMessage="StatusNotification")
    station.run(299)
    assert "Heartbeat" not in station.actions()
    station.command("GetConfiguration", key=["UID"])
    station.run(1)
    assert station.sent("Heartbeat")[0].at == 500


def test_no_beat_is_sent_or_saved_up_offline():
    """HB-3."""
    station = bench().cut(stay_down=True).run(2000)
    assert "Heartbeat" not in station.actions()
    count = len(station.calls)
    station.mend().run(300)
    online = station.station.online_at
    station.run(300)
    assert [call.at for call in station.sent("Heartbeat", count)] == [online + 300]


def test_a_changed_interval_counts_from_now_and_zero_leaves_one_a_day():
    """HB-3, CC-3."""
    station = bench(personality=Personality.SPEC).run(100)
    station.command("ChangeConfiguration", key="HeartbeatInterval", value="20")
    station.run(20)
    assert [call.at for call in station.sent("Heartbeat")] == [120]
    station.command("ChangeConfiguration", key="HeartbeatInterval", value="0")
    station.run(86_399)
    assert len(station.sent("Heartbeat")) == 1
    station.run(1)
    assert len(station.sent("Heartbeat")) == 2


def test_a_clock_step_moves_timestamps_but_no_timer():
    """HB-4: meter values go on every 30 s, their timestamps an hour later."""
    station = bench(personality=Personality.SPEC, keys={"HeartbeatInterval": "10"})
    station.plug().swipe().run(30)
    station.answer["Heartbeat"] = lambda *_: {"currentTime": station.time(3600)}
    station.command("TriggerMessage", requestedMessage="Heartbeat")
    station.run(30)
    first, second = station.sent("MeterValues")
    assert second.at - first.at == 30
    stamps = [call.payload["meterValue"][0]["timestamp"] for call in (first, second)]
    assert stamps == ["2023-11-14T22:13:50.000Z", "2023-11-14T23:14:20.000Z"]


def test_a_central_system_whose_clock_is_far_off_is_found_once():
    """BOOT-3: the same wrong clock is not reported with each heartbeat."""
    station = boot_answer(bench(power=False), "Accepted", 60, at=-7200).power()
    station.answer["Heartbeat"] = lambda *_: {"currentTime": station.time(-7200)}
    station.run(600)
    assert station.findings() == ["BOOT-3"]
    assert station.station.wall_offset_s == EPOCH - 7200


@pytest.mark.parametrize(
    "now", ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"]
)
@pytest.mark.parametrize("personality", Personality)
def test_a_time_that_no_clock_shows_is_a_finding_and_sets_nothing(now, personality):
    """BOOT-3: what a central system sends that has no time to tell."""
    station = bench(power=False, personality=personality)
    station.answer["BootNotification"] = {"status": "Accepted", "currentTime": now, "interval": 300}
    station.power().plug().swipe().run(100)
    assert station.findings() == ["BOOT-3"]
    assert station.unix(station.sent("StartTransaction")[0]) == 0


def test_calls_are_timed_from_plan_to_answer():
    """RPC-3, C6: due, free and done; a call that waited for the line was due when the plan said."""
    station = bench(connectors=2)
    station.answer["Authorize"] = SILENT
    station.feed(Swipe("A", (1,)), due=station.now)
    station.now += 5.0
    station.plug(2)
    held = station.sent("Authorize")[0]
    assert station.sent("StatusNotification")[-1].payload["connectorId"] != 2
    station.now += 2.0
    station.reply(held, {"idTagInfo": {"status": "Accepted"}})
    told = station.sent("StatusNotification")[-1].call
    assert (told.connector, told.due, told.free, told.sent) == (2, 5.0, 7.0, 7.0)
    end = station.ended()[-2]
    assert (end.call.action, end.done, end.outcome) == ("Authorize", 7.0, Outcome.OK)


def test_a_second_link_up_is_no_second_boot():
    station = bench()
    count = len(station.calls)
    station.feed(LinkUp())
    assert len(station.calls) == count


def test_compressed_time_with_real_timestamps_is_no_wrong_clock():
    """BOOT-3, HB-2, HB-4: at scale 60 an hour of the station is a minute on both clocks."""
    station = boot_answer(bench(power=False, keys={"HeartbeatInterval": "600"}), "Accepted", 600)
    station.answer["Heartbeat"] = lambda *_: {"currentTime": format_datetime(EPOCH + station.now / 60)}
    station.feed(PowerOn(EPOCH, 1 / 60)).run(7200)
    assert len(station.sent("Heartbeat")) == 12
    assert station.findings() == []
    assert station.station.wall_offset_s == EPOCH
    station.plug().swipe().run(1)
    stamp = parse_datetime(station.sent("StartTransaction")[0].payload["timestamp"])
    assert stamp == pytest.approx(EPOCH + station.now / 60, abs=1.5)
    station.answer["Heartbeat"] = lambda *_: {"currentTime": format_datetime(EPOCH + station.now / 60 + 600)}
    station.command("TriggerMessage", requestedMessage="Heartbeat")
    station.run(1)
    assert station.findings() == ["HB-2"]


def test_simulated_time_is_set_by_nobody():
    """BOOT-3, HB-4: the central system's clock is another one; sessions keep their length in its books."""
    station = boot_answer(bench(power=False), "Accepted", 600)
    station.answer["Heartbeat"] = lambda *_: {"currentTime": format_datetime(EPOCH + 1e6)}
    station.feed(PowerOn(EPOCH, wall_told=False)).run(7200)
    assert station.findings() == []
    assert station.station.wall_offset_s == EPOCH


@pytest.mark.parametrize("reply", [SILENT, "InternalError"], ids=["none", "error"])
def test_a_socket_lost_while_an_unanswered_boot_waits_starts_it_again_at_once(reply):
    """BOOT-8: only an interval that the central system gave (BOOT-5) outlives the socket."""
    station = bench(power=False, keys={"confBottNotificationTime": "5", "serverReconnectionTime": "1"})
    station.answer["BootNotification"] = reply
    station.power().run(6)
    station.cut().run(2)
    assert len(station.sent("BootNotification")) == 2


def test_an_interval_given_outlives_the_socket():
    """BOOT-5: never earlier, however often the link is lost."""
    station = boot_answer(bench(power=False, keys={"serverReconnectionTime": "1"}), "Pending", 100).power()
    station.run(10).cut().run(89)
    assert len(station.sent("BootNotification")) == 1
    assert station.station.online
    station.run(2)
    assert len(station.sent("BootNotification")) == 2


def test_a_central_system_that_never_met_the_station_gets_a_boot():
    """WS-7, WS-1: with another URL or UID it is more than a mere reconnect."""
    station = bench(keys={"serverReconnectionTime": "1"})
    station.cut().run(5)
    assert len(station.sent("BootNotification")) == 1
    station.command("ChangeConfiguration", key="UID", value="GU-NEW")
    station.cut().run(5)
    assert len(station.sent("BootNotification")) == 2
    assert station.statuses()[-2:] == ["Available", "Available"]


def test_what_waited_for_the_acceptance_comes_after_the_statuses():
    """BOOT-4, BOOT-7: a transfer asked for while Pending reports when the station may call again."""
    station = boot_answer(bench(power=False), "Pending", 20).power()
    station.command("GetDiagnostics", location="ftp://files/in")
    boot_answer(station.run(15), "Accepted", 300).run(10)
    assert station.actions()[2:4] == ["StatusNotification", "StatusNotification"]
    assert station.actions()[4] == "DiagnosticsStatusNotification"
