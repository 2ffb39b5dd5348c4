"""The central system's own process is looked at: a process of this machine, or a page of metrics."""

import http.server
import os
import subprocess
import sys
import threading

import gevent
import pytest

import results
from results.csms_process import CSMS_FILE
from stations.errors import PlanError
from tests.support.programs import refused
from tests.support.stage import LOCUSTFILES

pytestmark = pytest.mark.locust

PAGE = """\
# HELP process_resident_memory_bytes Resident memory size in bytes.
process_resident_memory_bytes 1.5e+08
process_open_fds 77
process_cpu_seconds_total 12.5
jvm_memory_used_bytes{area="heap",id="a b"} 1e6
jvm_memory_used_bytes{area="nonheap"} 2e6 1790000000000
jvm_memory_used_bytes_max{area="heap"} 9e9
"""
HOG = "import time; held = bytearray(60_000_000); print(flush=True); time.sleep(60)"


@pytest.fixture
def page():
    class Metrics(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, *_words):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Metrics)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()


def source(said):
    from engine.bridge import csms_vitals

    return csms_vitals.source(said)


def test_a_process_counts_with_those_it_started():
    alone = source(str(os.getpid())).look()
    assert alone.rss_bytes > 20_000_000
    assert alone.open_files >= 3
    with subprocess.Popen([sys.executable, "-c", HOG], stdout=subprocess.PIPE) as child:
        try:
            child.stdout.readline()
            assert source(str(os.getpid())).look().rss_bytes > alone.rss_bytes + 50_000_000
        finally:
            child.kill()


def test_cpu_is_the_share_of_a_core_since_the_last_look():
    from engine.bridge import csms_vitals

    rate = csms_vitals._Rate()
    assert rate.percent(10.0) is None
    assert rate.percent(10.0) == 0.0
    assert rate.percent(3.0) is None, "another process now"


def test_a_page_of_metrics_is_read_as_prometheus_reads_it(page):
    seen = source(page).look()
    assert (seen.rss_bytes, seen.open_files) == (150_000_000, 77)
    assert source(f"{page}#jvm_memory_used_bytes").look().rss_bytes == 3_000_000


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("99999999", "99999999"),
        ("the-csms", "give a process id"),
        ("file:///etc/passwd", "give a process id"),
        ("http://127.0.0.1:9/metrics", "refused"),
    ],
)
def test_what_cannot_be_seen_is_refused_in_one_line(said, words):
    with pytest.raises(PlanError, match=words) as mistake:
        source(said)
    assert str(mistake.value).startswith(f"--csms-memory {said}: ")
    assert "\n" not in str(mistake.value)


def test_a_metric_that_is_not_there_is_refused(page):
    with pytest.raises(PlanError, match="no metric nonsense"):
        source(f"{page}#nonsense")


def test_rows_go_on_after_the_process_was_away(tmp_path):
    from engine.bridge.csms_vitals import CsmsVitals
    from results.csms_process import Sighting

    class Flaky:
        looks = 0

        def look(self):
            self.looks += 1
            if self.looks == 2:
                raise ConnectionRefusedError("away")
            return Sighting(self.looks, 100 * self.looks)

    vitals = CsmsVitals(Flaky(), tmp_path, interval_s=0.01)
    gevent.sleep(0.2)
    vitals.stop()
    lines = (tmp_path / CSMS_FILE).read_text().splitlines()
    assert lines[:3] == ["at_us,rss_bytes,open_files,cpu_percent", "1,100,,", "3,300,,"]


@pytest.mark.realnet
def test_a_soak_watches_the_embedded_central_system_and_says_what_it_cannot_tell_yet(locust):
    program = locust(
        *("-f", LOCUSTFILES / "soak.py", "--headless", "-u", 8, "-r", 8, "--duration", "14s"),
        *("--period-s", 10, "--low-s", 3),
    )
    assert program.passed(program.finish(120)), program.said
    run = results.open(program.run_folders()[-1].parent)
    assert program.saw("drift: not judged")
    rows = (run.path / CSMS_FILE).read_text().splitlines()[1:]
    assert len(rows) >= 2
    assert int(rows[0].split(",")[1]) > 20_000_000, "its memory"
    assert run.health["open_files"].min() > run.health["connected"].max(), "counted, not computed"


@pytest.mark.realnet
def test_a_process_that_is_not_there_starts_nothing(tmp_path, central_system):
    words = refused(tmp_path, "--csms-url", central_system.url, "--csms-memory", "99999999")
    assert "--csms-memory 99999999" in words
