"""Any bytes at all: a frame or a PeerError, never anything else, and the station lives.

    python benchmarks/fuzz_frames.py [--inputs 200000] [--seed 1]
    python benchmarks/fuzz_frames.py --atheris [libFuzzer's own arguments]

Valid frames of every operation are cut, flipped, doubled, spliced and given other values, then read by the
decoder and by a station that charges. After each the station must still answer a GetLocalListVersion. With
`--atheris` (pip install atheris, in an environment of its own) libFuzzer chooses the bytes by coverage.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are no package of the project

from stations.core.events import Broken, Received
from stations.core.plan import Personality
from stations.wire.errors import PeerError
from stations.wire.frames import Call, CallError, CallResult, decode
from stations.wire.messages import OPERATIONS
from tests.support.bench import SILENT, bench

PROBE = b'[2,"probe-%d","GetLocalListVersion",{}]'
ODD = [
    None,
    True,
    -1,
    0,
    10**30,
    1e308,
    "",
    "x" * 600,
    [],
    {},
    [[]],
    {"a": None},
    "2026-02-30T25:61:61Z",
    "\x00",
]
FIELDS = {
    "connectorId": 1,
    "idTag": "TAG1",
    "type": "Soft",
    "key": "HeartbeatInterval",
    "value": "30",
    "status": "Accepted",
    "transactionId": 1001,
    "reservationId": 1,
    "expiryDate": "2030-01-01T00:00:00Z",
    "duration": 60,
    "requestedMessage": "Heartbeat",
    "listVersion": 1,
    "updateType": "Full",
    "location": "ftp://a/b",
    "retrieveDate": "2030-01-01T00:00:00Z",
    "vendorId": "v",
    "idTagInfo": {"status": "Accepted"},
    "interval": 60,
    "currentTime": "2030-01-01T00:00:00Z",
    "csChargingProfiles": {"chargingProfileId": 1, "stackLevel": 0},
}


def corpus() -> list[bytes]:
    """A frame of each kind for each operation."""
    frames = []
    for action in OPERATIONS:
        frames += [[2, "m", action, FIELDS], [2, "m", action, {}], [3, "m", FIELDS], [4, "m", action, "", {}]]
        frames += [[2, "m", action, {name: value}] for name, value in FIELDS.items()]
    return [json.dumps(frame).encode() for frame in frames]


class Subject:
    """A charging station with a CALL of its own open; built anew when it has restarted."""

    def __init__(self, personality: Personality) -> None:
        self.personality = personality
        self.probes = 0
        self._begin()

    def _begin(self) -> None:
        self.bench = bench(personality=self.personality, connectors=2)
        self.bench.plug().swipe().run(1)
        self.bench.answer["Heartbeat"] = SILENT
        self.bench.command("TriggerMessage", requestedMessage="Heartbeat")

    def hears(self, data: bytes) -> None:
        """It lives: nothing escapes, and the probe is answered."""
        station = self.bench.station
        effects = station.on_event(Received(data), self.bench.now)
        assert not any(isinstance(effect, Broken) for effect in effects), effects
        self.probes += 1
        if not (station.online and station.running):  # a Reset that was really one
            self._begin()
            return
        effects = station.on_event(Received(PROBE % self.probes), self.bench.now)
        assert any(b"listVersion" in getattr(effect, "data", b"") for effect in effects), "no answer"
        if self.probes % 500 == 0:
            self._begin()


def one_input(subjects: list[Subject], data: bytes) -> None:
    try:
        frame = decode(data)
    except PeerError:
        pass
    else:
        assert isinstance(frame, Call | CallResult | CallError)
    for subject in subjects:
        subject.hears(data)


def mutated(luck: random.Random, frames: list[bytes]) -> bytes:
    frame = luck.choice(frames)
    return other_values(luck, frame) if luck.random() < 0.4 else other_bytes(luck, frame, frames)


def other_values(luck: random.Random, data: bytes) -> bytes:
    """Well-formed JSON with other values in it."""
    frame = json.loads(data)
    body = frame[-1]
    for name in luck.sample(list(FIELDS), luck.randint(0, 3)):
        body[name] = luck.choice(ODD)
    frame[luck.randrange(len(frame))] = luck.choice([*ODD, frame[0], "m", body])
    return json.dumps(frame).encode()


def other_bytes(luck: random.Random, data: bytes, frames: list[bytes]) -> bytes:
    """Cut, flipped, spliced, nested."""
    cut = bytearray(data)
    for _ in range(luck.randint(1, 6)):
        at = luck.randrange(len(cut) + 1)
        match luck.randrange(5):
            case 0:
                del cut[at : at + luck.randint(1, 8)]
            case 1:
                cut[at:at] = bytes(luck.choices(b'[]{}",:\\\x00\xff0123eE-.tnu', k=luck.randint(1, 4)))
            case 2 if at < len(cut):
                cut[at] ^= 1 << luck.randrange(8)
            case 3:
                cut[at:at] = luck.choice(frames)
            case _:
                cut[at:at] = b"[" * luck.randint(1, 3_000)
    return bytes(cut)


def by_coverage(subjects: list[Subject], arguments: list[str]) -> None:
    import atheris  # noqa: PLC0415 — only whoever asks for it needs it

    atheris.Setup([sys.argv[0], *arguments], lambda data: one_input(subjects, data))
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=200_000, help="how many; default 200000")
    parser.add_argument("--seed", type=int, default=1, help="default 1")
    parser.add_argument("--atheris", action="store_true", help="let libFuzzer choose the bytes, for ever")
    arguments, rest = parser.parse_known_args()
    subjects = [Subject(personality) for personality in Personality]
    if arguments.atheris:
        by_coverage(subjects, rest)
    luck, frames = random.Random(arguments.seed), corpus()
    started = time.perf_counter()
    for number in range(arguments.inputs):
        data = mutated(luck, frames)
        try:
            one_input(subjects, data)
        except Exception:
            print(f"input {number}: {data[:500]!r}")
            raise
    seconds = time.perf_counter() - started
    print(f"{arguments.inputs} inputs in {seconds:.0f} s: a frame or a PeerError each; both stations live")


if __name__ == "__main__":
    main()
