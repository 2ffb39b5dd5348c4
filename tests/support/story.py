"""Random lives of one station in virtual time: steps, how to live them, and what must hold afterwards."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from engine.virtual import MONDAY_UNIX_S, Listener, World
from stations.core.events import (
    Activate,
    ClearFault,
    EvPause,
    EvResume,
    Fault,
    LockFailure,
    PlugIn,
    PlugOut,
    PlugOutEv,
    Reboot,
    SetKey,
    Swipe,
    TransactionChanged,
)
from stations.core.plan import Personality
from tests.support.inspector import Inspector
from tests.support.ledger import LedgerCentral
from tests.support.payloads import REQUESTS, documents
from tests.support.people import Stationed, plan
from tests.support.vehicle import SteadyCar

NOW_Z = "2026-01-05T00:00:00Z"

CONNECTORS = st.sampled_from([1, 2])
TAGS = st.sampled_from(["ALPHA", "BRAVO", "BLOCKED", "CHILD1", "CHILD2"])
PAUSES_S = st.sampled_from([0.0, 0.01, 0.5, 2.0, 7.0, 11.0, 35.0, 65.0, 200.0, 1000.0])
FAULTS = st.sampled_from(
    ["GroundFailure", "HighTemperature", "OtherError", "EVCommunicationError", "WeakSignal"]
)
MOODS = st.sampled_from(
    ["drop", "drop-unread", "error", "late", "twice", "foreign", "garbage", "extra", "", ""]
)


def events():
    return st.one_of(
        st.builds(
            lambda c, a, p, w: PlugIn(c, SteadyCar(a, p, w)),
            CONNECTORS,
            st.sampled_from([4.0, 8.0, 16.0, 32.0]),
            st.sampled_from([1, 3]),
            st.sampled_from([50.0, 5_000.0, 1e9]),
        ),
        st.builds(Swipe, TAGS, st.one_of(st.none(), st.tuples(CONNECTORS))),
        st.builds(PlugOut, CONNECTORS),
        st.builds(PlugOutEv, CONNECTORS),
        st.builds(EvPause, CONNECTORS),
        st.builds(EvResume, CONNECTORS),
        st.builds(Fault, st.sampled_from([0, 1, 2]), FAULTS),
        st.builds(ClearFault, st.sampled_from([0, 1, 2])),
        st.builds(LockFailure, CONNECTORS, st.booleans()),
        st.builds(Reboot),
        st.builds(Activate, st.booleans()),
    )


KEYS = st.sampled_from(
    [
        ("ConnectionTimeOut", "20"),
        ("ConnectionTimeOut", "0"),
        ("MeterValueSampleInterval", "15"),
        ("MeterValueSampleInterval", "0"),
        ("StopTransactionOnInvalidId", "true"),
        ("LocalPreAuthorize", "true"),
        ("LocalAuthListEnabled", "true"),
        ("AuthorizationCacheEnabled", "true"),
        ("LocalAuthorizeOffline", "true"),
        ("AllowOfflineTxForUnknownId", "true"),
        ("AuthorizeRemoteTxRequests", "false"),
        ("StopTransactionOnEVSideDisconnect", "false"),
        ("ClockAlignedDataInterval", "60"),
        ("TransactionMessageAttempts", "2"),
        ("oCPPPlugAndCharge", "true"),
    ]
)


def sensible_commands():
    """What an operator sends, with values that mean something to this station."""
    connector = st.sampled_from([0, 1, 2, 3])
    schedule = st.builds(
        lambda limit, later: {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": limit},
                {"startPeriod": 60, "limit": later},
            ],
        },
        st.sampled_from([0, 5.9, 6, 10.5, 32]),
        st.sampled_from([0, 8, 16]),
    )
    profile = st.builds(
        lambda purpose, level, plan: {
            "chargingProfileId": level,
            "stackLevel": level,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": "Relative",
            "chargingSchedule": plan,
        },
        st.sampled_from(["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]),
        st.integers(0, 3),
        schedule,
    )
    return st.one_of(
        st.tuples(st.just("Reset"), st.fixed_dictionaries({"type": st.sampled_from(["Soft", "Hard"])})),
        st.tuples(
            st.just("RemoteStartTransaction"),
            st.fixed_dictionaries(
                {"idTag": TAGS}, optional={"connectorId": connector, "chargingProfile": profile}
            ),
        ),
        st.tuples(
            st.just("RemoteStopTransaction"), st.fixed_dictionaries({"transactionId": st.integers(1, 4)})
        ),
        st.tuples(
            st.just("ChangeAvailability"),
            st.fixed_dictionaries(
                {"connectorId": connector, "type": st.sampled_from(["Operative", "Inoperative"])}
            ),
        ),
        st.tuples(st.just("ChangeConfiguration"), KEYS.map(lambda pair: {"key": pair[0], "value": pair[1]})),
        st.tuples(
            st.just("TriggerMessage"),
            st.fixed_dictionaries(
                {
                    "requestedMessage": st.sampled_from(
                        [
                            "BootNotification",
                            "Heartbeat",
                            "StatusNotification",
                            "MeterValues",
                            "FirmwareStatusNotification",
                            "DiagnosticsStatusNotification",
                        ]
                    )
                },
                optional={"connectorId": connector},
            ),
        ),
        st.tuples(
            st.just("ReserveNow"),
            st.builds(
                lambda connector, tag, number: {
                    "connectorId": connector,
                    "expiryDate": "2026-01-05T00:20:00Z",
                    "idTag": tag,
                    "reservationId": number,
                },
                connector,
                TAGS,
                st.integers(0, 2),
            ),
        ),
        st.tuples(st.just("CancelReservation"), st.fixed_dictionaries({"reservationId": st.integers(0, 2)})),
        st.tuples(
            st.just("SetChargingProfile"),
            st.fixed_dictionaries({"connectorId": connector, "csChargingProfiles": profile}),
        ),
        st.tuples(st.just("ClearChargingProfile"), st.just({})),
        st.tuples(
            st.just("GetCompositeSchedule"),
            st.fixed_dictionaries({"connectorId": connector, "duration": st.sampled_from([0, 60, 86_400])}),
        ),
        st.tuples(st.just("UnlockConnector"), st.fixed_dictionaries({"connectorId": connector})),
        st.tuples(st.just("GetConfiguration"), st.just({})),
        st.tuples(
            st.just("SendLocalList"),
            st.builds(
                lambda version, tag: {
                    "listVersion": version,
                    "updateType": "Full",
                    "localAuthorizationList": [{"idTag": tag, "idTagInfo": {"status": "Accepted"}}],
                },
                st.integers(1, 3),
                TAGS,
            ),
        ),
        st.tuples(st.just("ClearCache"), st.just({})),
        st.tuples(
            st.just("UpdateFirmware"),
            st.just({"location": "http://files/firmware.bin", "retrieveDate": NOW_Z}),
        ),
        st.tuples(st.just("GetDiagnostics"), st.just({"location": "ftp://files/"})),
    )


def any_commands():
    """Anything the schemas allow, and broken things, from either side's table."""
    return st.one_of(
        *[
            documents(request).map(lambda body, name=name: (name, body))
            for name, request in sorted(REQUESTS.items())
        ],
        st.tuples(st.sampled_from(["reset", "Unheard", "Reset"]), st.sampled_from([{}, [], {"type": 5}])),
    )


def visits():
    """Somebody plugs in and shows a badge, in either order: most stories should have transactions."""
    return st.tuples(CONNECTORS, TAGS, st.booleans(), PAUSES_S)


KINDS = {
    "visit": visits(),
    "event": events(),
    "operator": sensible_commands(),
    "stranger": any_commands(),
    "moods": st.lists(MOODS, min_size=1, max_size=4),
    "registration": st.sampled_from([("Pending", 30), ("Rejected", 60), ("Pending", 0)]),
    "key": KEYS,
    "hardship": st.sampled_from(
        ["cut", "hold", "restore", "restore", "power_off", "power_on", "restart", "refuse"]
    ),
}
# The kind first: one flat choice would be about commands nine times out of ten.
STEPS = st.sampled_from(["visit", "visit", "event", "event", "operator", *KINDS]).flatmap(
    lambda kind: KINDS[kind].map(lambda what: (kind, what))
)


@dataclass
class Story:
    """A world of one station, inspected."""

    world: World
    central: LedgerCentral
    inspector: Inspector
    facts: list[Any] = field(default_factory=list)

    def play(self, steps):
        for pause_s, (kind, what) in steps:
            getattr(self, f"_{kind}")(what)
            self.world.run(self.world.now + pause_s)

    def _event(self, event):
        self.world.happen(0, event)

    def _visit(self, visit):
        connector, tag, swiped_first, pause_s = visit
        steps = [PlugIn(connector, SteadyCar()), Swipe(tag, (connector,))]
        for event in reversed(steps) if swiped_first else steps:
            self._event(event)
            self.world.run(self.world.now + pause_s)

    def _operator(self, command):
        self.central.command(0, *command)

    _stranger = _operator

    def _moods(self, moods):
        self.central.moods.extend(moods)

    def _registration(self, mood):
        self.central.registrations.append(mood)

    def _key(self, pair):
        self.world.happen(0, SetKey(*pair))
        self.inspector.settle(self.inspector.views[0], self.world.now)
        self.inspector.views[0].settings[pair[0]] = pair[1]

    def _hardship(self, verb):
        world = self.world
        if verb == "restart":
            world.restart_central(20)
        elif verb == "refuse":
            self.central.refuse_next()
        else:
            getattr(world, verb)()

    def heal(self, patience_s):
        """Everything works again and everybody leaves; then there is time to deliver what waits."""
        world = self.world
        self.central.moods.clear()
        self.central.registrations.clear()
        self.central.refusals.clear()
        world.restore()
        world.power_on()
        for event in [Activate(True), *[ClearFault(number) for number in (0, 1, 2)]]:
            world.happen(0, event)
        for number in (1, 2):
            world.happen(0, LockFailure(number, False))
        world.run(world.now + patience_s)
        self.central.command(0, "Reset", {"type": "Soft"})
        world.run(world.now + patience_s)
        for number in (1, 2):
            world.happen(0, PlugOut(number))
        self.central.command(0, "ChangeConfiguration", {"key": "ClockAlignedDataInterval", "value": "0"})
        world.run(world.now + patience_s)
        self.inspector.finish(world.now)

    def ledger(self):
        """The last word of the station on each of its transactions."""
        return {fact.sequence: fact for fact in self.facts if isinstance(fact, TransactionChanged)}


def stories(shortest, longest):
    """Arguments of `live`."""
    steps = st.lists(st.tuples(PAUSES_S, STEPS), min_size=shortest, max_size=longest)
    return st.tuples(st.sampled_from(list(Personality)), steps)


def story(personality, **keys):
    facts = []
    central = LedgerCentral(MONDAY_UNIX_S, heartbeat_s=600)
    central.tags["BLOCKED"] = {"status": "Blocked"}
    central.tags |= {tag: {"status": "Accepted", "parentIdTag": "FAMILY"} for tag in ("CHILD1", "CHILD2")}
    stationed = Stationed(plan(1, personality=personality, keys=keys))
    inspector = Inspector([stationed.plan], official_every=10)
    world = World([stationed], central, tap=inspector, journal=Listener(lambda _, fact: facts.append(fact)))
    world.start()
    world.run(5.0)
    return Story(world, central, inspector, facts)


def live(personality, steps, patience_s=3_600.0):
    """One story from beginning to end, and what must hold afterwards."""
    tale = story(personality)
    tale.play(steps)
    tale.heal(patience_s)
    station = tale.world.stations[0]
    assert station.backlog == 0
    assert station.registration == "Accepted"
    booked = {entry.transaction_id: entry for entry in tale.central.entries.values()}
    for fact in tale.ledger().values():
        assert fact.state in {"settled", "abandoned"}, fact
        if fact.state == "settled" and fact.transaction_id != -1:
            entry = booked[fact.transaction_id]
            assert (entry.start["meterStart"], entry.stop["meterStop"]) == (
                fact.meter_start_wh,
                fact.meter_stop_wh,
            )
            assert entry.start["idTag"] == fact.id_tag
