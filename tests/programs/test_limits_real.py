"""Open files and source addresses of real Locust programs, whose limits are really lowered."""

import resource

import pytest

import results
from results.exit_codes import ExitCode

pytestmark = pytest.mark.realnet

FILES = resource.RLIMIT_NOFILE


@pytest.fixture
def low_soft_limit():
    """What programs started now inherit; this process gets its own back."""
    soft, hard = resource.getrlimit(FILES)
    resource.setrlimit(FILES, (120, hard))
    yield 120
    resource.setrlimit(FILES, (soft, hard))


def accepted(program):
    links = results.open(program.run_folders()[-1].parent).connections
    return int((links["kind"] == "accepted").sum())


def test_the_soft_limit_is_raised_in_every_worker(locust, central_system, port, low_soft_limit):
    program = locust(
        *("--headless", "-u", 400, "-r", 200, "--duration", "6s", "--csms-url", central_system.url),
        *("--processes", 2, "--master-bind-port", port, "--master-port", port),
    )
    assert program.passed(program.finish()), program.said
    assert accepted(program) == 400


def test_a_hard_limit_that_is_too_low_is_one_line_with_the_numbers(locust, central_system, tmp_path):
    program = locust("--headless", "-u", 400, "--csms-url", central_system.url)
    resource.prlimit(program.process.pid, FILES, (300, 300))  # long before its command line is read
    assert program.finish() == ExitCode.INPUT
    (line,) = program.said.strip().splitlines()
    assert "400 stations in one worker need 6" in line
    assert "the hard limit is 300; mend: at most " in line
    assert "(--processes), or a higher limit (ulimit -Hn)" in line
    assert not list(tmp_path.glob("runs/*"))


def test_a_worker_elsewhere_with_a_low_limit_starts_what_it_can_and_the_run_says_so(
    locust, central_system, port, tmp_path
):
    master = locust(
        *("--headless", "-u", 400, "-r", 200, "--duration", "8s", "--csms-url", central_system.url),
        *("--master", "--master-bind-port", port, "--expect-workers", 1),
    )
    worker = locust("--worker", "--master-port", port, folder=tmp_path)
    resource.prlimit(worker.process.pid, FILES, (500, 500))
    assert master.finish() == ExitCode.UNTRUSTED, master.said
    assert worker.finish() == 0, worker.said
    (shortage,) = master.record()["shortages"]
    assert shortage.startswith("worker 00: ")
    assert "the hard limit is 500" in shortage
    assert shortage in master.record()["untrusted"]
    assert shortage in master.said
    assert master.record()["station_bugs"] == 0


def test_a_worker_connects_from_its_own_addresses(locust, central_system, port, tmp_path):
    master = locust(
        *("--headless", "-u", 4, "-r", 4, "--duration", "4s", "--csms-url", central_system.url),
        *("--master", "--master-bind-port", port, "--expect-workers", 1),
    )
    worker = locust(
        *("--worker", "--master-port", port),
        folder=tmp_path,
        GREENUP_SOURCE_ADDRESS="[127.0.0.2, 127.0.0.3]",
    )
    worker.wait_until(lambda: sources(worker, central_system) == {"127.0.0.2", "127.0.0.3"})
    assert master.passed(master.finish()), master.said
    assert worker.finish() == 0, worker.said


def sources(program, central_system):
    """Where the connections of a program to the central system come from."""
    import psutil

    port = int(central_system.url.rpartition(":")[2].partition("/")[0])
    links = psutil.Process(program.process.pid).net_connections("tcp4")
    return {link.laddr.ip for link in links if link.raddr and link.raddr.port == port}


def test_a_worker_says_at_once_which_address_it_does_not_have(locust, port):
    worker = locust("--worker", "--master-port", port, "--source-address", "203.0.113.7")
    assert worker.finish() == ExitCode.INPUT
    (line,) = worker.said.strip().splitlines()
    assert "--source-address 203.0.113.7: Cannot assign requested address" in line
    assert "is it an address of this machine?" in line


def test_a_master_of_many_machines_is_not_held_to_its_own_limits(locust, port):
    master = locust(
        *("--headless", "-u", 1_000_000, "--csms-url", "ws://127.0.0.1:1/ocpp"),
        *("--master", "--master-bind-port", port, "--expect-workers", 63),
    )
    assert master.finish() == ExitCode.INPUT
    assert "cannot be reached" in master.said  # what comes after the limits
