"""`greenup station`: one believable station on standard input and output; its memory survives SIGKILL."""

import json
import queue
import socket
import ssl
import subprocess
import sys
import threading

import pytest

from csms.launch import start_embedded
from engine.cli import main

pytestmark = pytest.mark.realnet


class Desk:
    """The command in a process of its own."""

    def __init__(self, *options):
        words = ["station", *options]
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import sys; from engine.cli import main; sys.exit(main({words!r}))"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._said = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self._said.put(json.loads(line))

    def tell(self, op, **fields):
        self.write(json.dumps({"op": op, **fields}))

    def write(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, wanted, timeout_s=30):
        """The next thing said that fits; what comes before it is passed over."""
        while True:
            said = self._said.get(timeout=timeout_s)
            if wanted(said):
                return said

    def request(self, action):
        """The payload of the next CALL of the station with this action."""

        def fits(said):
            return said.get("direction") == "out" and said["message"][0] == 2 and said["message"][2] == action

        return self.hear(fits)["message"][3]

    def error(self):
        return self.hear(lambda said: "error" in said)["error"]


@pytest.fixture
def desk():
    started = []

    def start(*options):
        started.append(Desk(*options))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def spec(tmp_path):
    with start_embedded(tmp_path / "csms.sqlite") as central:
        yield {
            "url": f"{central.url}/DESK-1",
            "charge_point_id": "DESK-1",
            "personality": "spec",
            "state_dir": str(tmp_path / "state"),
            "keys": {"MeterValueSampleInterval": "1"},
        }


def ready(said):
    return said.get("event") == "registration" and said["status"] == "Accepted"


def test_a_session_by_hand(desk, spec):
    station = desk()
    station.tell("power_on", spec=spec)
    assert station.request("BootNotification")["chargePointVendor"] == "Legrand"
    station.hear(ready)
    station.tell("plug_in", connector=1)
    station.hear(lambda said: said.get("status") == "Preparing")
    station.tell("swipe", id_tag="BADGE-1", connectors=[1])
    assert station.request("StartTransaction")["idTag"] == "BADGE-1"
    values = station.request("MeterValues")["meterValue"]
    assert values, "sampled every second"
    station.tell("swipe", id_tag="BADGE-1", connectors=[1])
    assert station.request("StopTransaction")["reason"] == "Local"
    station.tell("plug_out", connector=1)
    station.hear(lambda said: said.get("status") == "Available")
    station.tell("exit")
    assert station.process.wait(10) == 0


def test_the_memory_survives_a_sigkill_in_the_middle_of_a_transaction(desk, spec):
    first = desk()
    first.tell("power_on", spec=spec)
    first.hear(ready)
    first.tell("plug_in", connector=1)
    first.tell("swipe", id_tag="BADGE-1", connectors=[1])
    first.hear(lambda said: said.get("event") == "transaction" and said["state"] == "acknowledged")
    first.request("MeterValues")
    first.process.kill()
    first.process.wait()
    second = desk()
    second.tell("power_on", spec=spec)
    stopped = second.request("StopTransaction")
    assert stopped["reason"] == "PowerLoss"
    assert stopped["meterStop"] >= 0


def test_an_empty_folder_is_a_factory_new_station(desk, spec, tmp_path):
    station = desk()
    station.tell("power_on", spec=spec | {"state_dir": str(tmp_path / "another")})
    station.hear(ready)
    station.tell("plug_in", connector=1)
    station.tell("swipe", id_tag="BADGE-1", connectors=[1])
    assert station.request("StartTransaction")["meterStart"] == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("nonsense", "malformed"),
        ('{"op": "dance"}', "dance"),
        ('{"op": "power_on"}', "spec"),
        ('{"op": "swipe"}', "id_tag"),
        ('{"op": "swipe", "id_tag": "A"}', "off"),
        ('{"op": "power_on", "spec": {"url": "http://x", "charge_point_id": "X"}}', "ws:// or wss://"),
        ('{"op": "power_on", "spec": {"url": "ws://x", "charge_point_id": "X", "colour": 1}}', "colour"),
    ],
)
def test_a_command_that_cannot_be_is_an_error_and_changes_nothing(desk, line, words):
    station = desk()
    station.write(line)
    assert words in station.error()
    station.tell("exit")
    assert station.process.wait(10) == 0


def test_mistakes_about_a_running_station_leave_it_running(desk, spec):
    station = desk()
    station.tell("power_on", spec=spec)
    station.hear(ready)
    station.tell("power_on", spec=spec)
    assert "on already" in station.error()
    station.tell("plug_in", connector=2)
    assert station.error() == "connector 2: this station has 1"
    station.tell("set_key", key="NoSuchKey", value="1")
    assert "NoSuchKey" in station.error()
    station.tell("fault", connector=1, error_code="Bad")
    assert "Bad" in station.error()
    station.tell("plug_in", connector=1, vehicle="submarine")
    assert "submarine" in station.error()
    station.tell("fault", connector=1, error_code="GroundFailure")
    assert station.hear(lambda said: said.get("event") == "status")["status"] == "Faulted"


def test_a_power_cut_drops_the_socket_and_a_plugged_car_stays_plugged(desk, spec):
    station = desk()
    station.tell("power_on", spec=spec)
    station.hear(ready)
    station.tell("plug_in", connector=1)
    station.hear(lambda said: said.get("status") == "Preparing")
    station.tell("power_off")
    assert station.hear(lambda said: said.get("event") == "link")["code"] is None
    station.tell("power_on", spec=spec)
    station.hear(ready)
    sent = station.request("StatusNotification"), station.request("StatusNotification")
    assert {status["status"] for status in sent} == {"Available", "Preparing"}


def told(station, count):
    """The next so many statuses, by connector."""
    statuses = [station.request("StatusNotification") for _ in range(count)]
    return {one["connectorId"]: (one["status"], one["errorCode"]) for one in statuses}


def test_what_is_plugged_in_or_broken_is_so_after_a_power_cut_too(desk, spec):
    """ST-9, RE-2: a fault and a cable without a vehicle are facts; a badge that waits is only in RAM."""
    station, spec = desk(), spec | {"connectors": 2}
    station.tell("power_on", spec=spec)
    told(station, 3)
    station.tell("fault", connector=1, error_code="GroundFailure")
    station.tell("plug_in", connector=2)
    station.tell("plug_out_ev", connector=2)
    station.tell("swipe", id_tag="BADGE-1", connectors=[2])
    assert told(station, 2) == {1: ("Faulted", "GroundFailure"), 2: ("Preparing", "NoError")}
    station.tell("power_off")
    station.tell("power_on", spec=spec)
    faulted = {0: ("Available", "NoError"), 1: ("Faulted", "GroundFailure")}
    assert told(station, 3) == faulted | {2: ("Preparing", "NoError")}
    station.tell("plug_in", connector=2)
    station.tell("power_off")
    station.tell("plug_out", connector=2)
    station.tell("power_on", spec=spec)
    assert told(station, 3) == faulted | {2: ("Available", "NoError")}
    station.tell("clear_fault", connector=1)
    assert told(station, 1) == {1: ("Available", "NoError")}
    station.tell("fault", connector=0, error_code="HighTemperature")
    assert told(station, 1) == {0: ("Faulted", "HighTemperature")}
    station.tell("power_off")
    station.tell("power_on", spec=spec | {"state_dir": spec["state_dir"] + "-of-another"})
    assert told(station, 3)[0] == ("Available", "NoError"), "the folder is the hardware"


def test_without_a_folder_another_name_is_another_cabinet(desk, spec):
    """ST-9: no fault of the one is the other's, whatever sides they have."""
    station, spec = desk(), spec | {"state_dir": None}
    for name, connectors, status in (("A", 2, "Available"), ("B", 1, "Available"), ("B", 1, "Faulted")):
        station.tell("power_on", spec=spec | {"charge_point_id": name, "connectors": connectors})
        assert told(station, connectors + 1)[1][0] == status
        if status == "Available":
            station.tell("fault", connector=1, error_code="GroundFailure")
            assert told(station, 1)[1][0] == "Faulted"
        station.tell("power_off")


def test_the_end_of_the_input_ends_the_station(desk):
    station = desk()
    station.process.stdin.close()
    assert station.process.wait(10) == 0


def made(folder, name, *extensions):
    """A self-signed certificate: (certificate, key)."""
    pair = folder / f"{name}.pem", folder / f"{name}.key"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
    subprocess.run(
        [*request, *extensions, "-out", pair[0], "-keyout", pair[1]], check=True, capture_output=True
    )
    return pair


def test_a_client_certificate_opens_a_central_system_of_profile_3(desk, tmp_path):
    """SEC-2: TLS with a certificate on both ends, and no password on the way."""
    server = made(tmp_path, "server", "-addext", "subjectAltName=IP:127.0.0.1")
    client = made(tmp_path, "client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(client[0])
    visits = queue.Queue()
    listener = socket.create_server(("127.0.0.1", 0))

    def listen():
        with context.wrap_socket(listener.accept()[0], server_side=True) as link:
            visits.put((dict(link.getpeercert()["subject"][0])["commonName"], link.recv(4096).decode()))

    threading.Thread(target=listen, daemon=True).start()
    options = ["--tls-ca", server[0], "--client-cert", client[0], "--client-key", client[1]]
    station = desk(*map(str, options))
    spec = {
        "url": f"wss://127.0.0.1:{listener.getsockname()[1]}/ocpp/CP-1",
        "charge_point_id": "CP-1",
        "personality": "spec",
        "security_profile": 3,
        "basic_auth_key": "0" * 40,
    }
    station.tell("power_on", spec=spec)
    name, upgrade = visits.get(timeout=30)
    listener.close()
    assert name == "client"
    assert upgrade.startswith("GET /ocpp/CP-1 ")
    assert "authorization:" not in upgrade.lower()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--client-cert", "a.pem"], "give both or neither"),
        (["--tls-ca", "/no-such.pem"], "certificate authorities /no-such.pem"),
        (
            ["--client-cert", "/no-such.pem", "--client-key", "/no-such.key"],
            "client certificate /no-such.pem",
        ),
    ],
)
def test_certificates_that_do_not_load_are_told_at_once(options, words, capsys):
    assert main(["station", *options]) == 2
    assert words in capsys.readouterr().err
