"""A master, two workers and a central system, each on a machine of its own: four network namespaces."""

import json
import os
import shutil

import pytest

import results
from results.exit_codes import ExitCode
from tests.support.image import ROOT
from tests.support.nodes import Network

pytestmark = [
    pytest.mark.realnet,
    pytest.mark.skipif(
        "GREENUP_NODES" not in os.environ, reason="set GREENUP_NODES=1, as root: makes network namespaces"
    ),
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and `ip` (iproute2)"
    ),
]

LOCUST = ("-m", "locust", "-f", ROOT / "locustfiles" / "steady.py")


class Machines:
    """The four of them; the central system is up."""

    def __init__(self, network):
        self.master_node = network.node("master", 1)
        self.worker_nodes = [network.node("one", 11, 12), network.node("two", 21, 22)]
        self.csms_node = network.node("csms", 2)
        (address,) = self.csms_node.addresses
        self.csms_url = f"ws://{address}:9000/ocpp"
        self.ledger = self.csms_node.folder / "ledger.sqlite"
        csms = self.csms_node.start(
            *("-m", "csms", "--ready-json", "--host", address, "--api-port", 0, "--database", self.ledger)
        )
        csms.wait_until(lambda: "api_url" in csms.said)

    def master(self, stations, duration, *options):
        return self.master_node.start(
            *(*LOCUST, "--master", "--headless", "--expect-workers", 2, "--csms-url", self.csms_url),
            *("-u", stations, "-r", stations / 2, "--duration", duration, *options),
        )

    def workers(self, **how):
        (master,) = self.master_node.addresses
        return [
            node.start(
                *(*LOCUST, "--worker", "--master-host", master),
                GREENUP_SOURCE_ADDRESS=f"[{', '.join(node.addresses)}]",
                **how,
            )
            for node in self.worker_nodes
        ]

    def callers(self):
        """Addresses that the central system is connected to."""
        lines = self.csms_node.run("ss", "-Htn", "state", "established", "sport = :9000").splitlines()
        return {line.split()[3].rpartition(":")[0].strip("[]").removeprefix("::ffff:") for line in lines}

    def run_folder(self, runs):
        (seal,) = runs.glob("*/run.json")
        return seal.parent


@pytest.fixture
def machines(tmp_path):
    with Network(tmp_path) as network:
        yield Machines(network)


def record(folder):
    return json.loads((folder / "run.json").read_text())


def trusted(code, folder):
    """Passed; or this machine was too busy to keep time, which is no matter of networks."""
    return code == ExitCode.PASS or (code == ExitCode.UNTRUSTED and not record(folder)["untrusted"])


def booted_once(run):
    """Stations that were accepted, by worker; no station in two."""
    links = run.connections
    accepted = links[links["kind"] == "accepted"]
    assert not accepted["station"].duplicated().any()
    return accepted.groupby("worker", observed=True)["station"].nunique().to_dict()


def test_workers_on_machines_of_their_own_share_a_folder(machines, tmp_path):
    shared = tmp_path / "shared"
    master = machines.master(30, "10s", "--runs", shared)
    workers = machines.workers()
    everybody = {address for node in machines.worker_nodes for address in node.addresses}
    master.wait_until(lambda: machines.callers() == everybody)
    code = master.finish()
    assert [worker.finish() for worker in workers] == [0, 0], workers[0].said + workers[1].said
    folder = machines.run_folder(shared)
    assert trusted(code, folder), master.said
    assert booted_once(results.open(folder)) == {"00": 15, "01": 15}


def test_workers_that_see_no_common_folder_send_their_parts_to_the_master(machines):
    runs = machines.master_node.folder / "runs"
    master = machines.master(30, "10s", "--collect")
    workers = machines.workers(hide=machines.master_node.folder)
    code = master.finish()
    assert [worker.finish() for worker in workers] == [0, 0], workers[0].said + workers[1].said
    folder = machines.run_folder(runs)
    assert trusted(code, folder), master.said
    assert booted_once(results.open(folder)) == {"00": 15, "01": 15}
    for node, name in zip(machines.worker_nodes, ("00", "01"), strict=True):
        theirs = [path.name for path in (node.folder / "runs").glob("*/calls/worker=*")]
        assert theirs in ([f"worker={name}"], [f"worker={1 - int(name):02d}"])
    whole = {path.name for path in (folder / "calls").iterdir()}
    assert whole == {"worker=00", "worker=01"}


def test_a_machine_that_is_cut_off_is_named_and_the_others_go_on(machines, tmp_path):
    shared = tmp_path / "shared"
    master = machines.master(20, "45s", "--runs", shared)
    machines.workers()
    everybody = {address for node in machines.worker_nodes for address in node.addresses}
    master.wait_until(lambda: machines.callers() == everybody)
    machines.worker_nodes[1].unplug()
    assert master.finish() == ExitCode.UNTRUSTED, master.said
    found = record(machines.run_folder(shared))
    assert len(found["lost_workers"]) == 1
    (lost,) = found["lost_workers"]
    assert f"worker {lost} was lost" in found["untrusted"]
    calls = results.open(machines.run_folder(shared)).calls
    answered = calls[calls["outcome"] == "ok"]
    last = answered.groupby("worker", observed=True)["done"].max()
    (survivor,) = last.index.difference([lost])
    assert (last[survivor] - last[lost]).total_seconds() > 20.0


def test_source_ports_that_run_out_are_named_with_the_numbers(machines, tmp_path):
    node, shared = machines.worker_nodes[0], tmp_path / "shared"
    node.run("sysctl", "-w", "net.ipv4.ip_local_port_range=40000 40049")
    alone = (*LOCUST, "--headless", "--csms-url", machines.csms_url, "--runs", tmp_path / "none", "-u", 80)
    refused = node.start(*alone)
    assert refused.finish() == ExitCode.INPUT
    (line,) = refused.said.strip().splitlines()
    assert (
        "80 stations need as many source ports towards one central system; 1 source address(es) have 50"
        in line
    )
    assert "mend: give at least 2 source addresses" in line
    # Two workers on that machine: neither knows of the other, and together they need more than there are.
    master = machines.master(80, "15s", "--runs", shared)
    for _ in range(2):
        node.start(*LOCUST, "--worker", "--master-host", machines.master_node.addresses[0])
    assert master.finish() == ExitCode.UNTRUSTED, master.said
    shortages = record(machines.run_folder(shared))["shortages"]
    assert shortages
    assert all("10.77.0.2:9000 we ran out of source ports: give more addresses" in each for each in shortages)
