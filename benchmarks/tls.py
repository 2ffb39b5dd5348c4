"""What TLS costs a worker: the same figures with ws:// and with wss://, in one run.

    python benchmarks/tls.py [--json] [--stations 1000] [--boots 2000] [--seconds 8]

CPU per MeterValues round trip (bare link beside it), resident memory per booted idle station, boots a second
and CPU per boot. The sink's certificate is made for the run and really verified, by SSL_CERT_FILE.
"""

import argparse
import os
from typing import Any

from boot import measure as boot
from locust_worker import announce
from memory import resident_kb
from roundtrip import measure as roundtrip
from sink import Started

FEW = 500


def measure(stations: int, boots: int, seconds: float, *, tls: bool) -> dict[str, Any]:
    with Started(tls=tls) as sink:
        if tls:
            os.environ["SSL_CERT_FILE"] = str(sink.trusted)  # what every child verifies with
        trips = roundtrip(sink.url, stations, 5.0, seconds)
        booted = boot(sink.url, boots, 1_000.0)
        few, many = (resident_kb(sink.url, "idle", "accepted", count) for count in (FEW, boots))
    return {
        "cpu_us_per_roundtrip": trips["cpu_us_per_roundtrip"],
        "bare_link_us": trips["bare_link_us"],
        "kb_per_idle_station": round((many - few) / (boots - FEW), 2),
        "boots_per_s": booted["stations_per_s"],
        "cpu_ms_per_boot": booted["cpu_ms_per_boot"],
        "boot_own_lag_p99_ms": booted["own_lag_p99_ms"],
        "failed": trips["failed"] + booted["failed"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="figures as the last line")
    parser.add_argument("--stations", type=int, default=1_000, help="that charge, for the round trip")
    parser.add_argument("--boots", type=int, default=2_000, help="stations started at 1,000 a second")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a measured window")
    options = parser.parse_args()
    plain, secure = (
        measure(options.stations, options.boots, options.seconds, tls=tls) for tls in (False, True)
    )
    figures: dict[str, Any] = {"ws": plain, "wss": secure, "ratio": {}}
    lines = [f"{'':24}{'ws':>10}{'wss':>10}{'ratio':>8}"]
    for name, value in plain.items():
        ratio = round(secure[name] / value, 2) if value else 0.0
        if name != "failed":
            figures["ratio"][name] = ratio
        lines.append(f"{name:24}{value:>10}{secure[name]:>10}{ratio:>8}")
    announce(figures, lines, as_json=options.json)


if __name__ == "__main__":
    main()
