"""Cost of the wire format: one MeterValues CALL written, read back, and its answer read, in µs of CPU.

    python benchmarks/wire.py [--json]

The payload is the Green'Up guide's: one moment, three sampled values. Each figure is the best of several
repeats on one core, without sockets.
"""

import argparse
import json
import time
from collections.abc import Callable

from stations.wire.frames import decode, decode_confirmation, decode_payload, encode_call, encode_result
from stations.wire.messages import (
    Heartbeat,
    HeartbeatConf,
    MeterValue,
    MeterValues,
    MeterValuesConf,
    SampledValue,
)
from stations.wire.types import Measurand, ReadingContext, UnitOfMeasure, ValueFormat, format_datetime

REPEATS = 7
LOOPS = 20_000


def cpu_us(step: Callable[[], object]) -> float:
    """Best of the repeats: the cost without what other processes did meanwhile."""
    best = float("inf")
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(LOOPS):
            step()
        best = min(best, (time.process_time() - started) / LOOPS * 1e6)
    return round(best, 3)


def sample(value: str, measurand: Measurand, unit: UnitOfMeasure) -> SampledValue:
    return SampledValue(value, ReadingContext.SAMPLE_CLOCK, ValueFormat.RAW, measurand, unit=unit)


def meter_values(unix_s: float) -> MeterValues:
    samples = [
        sample("1.64", Measurand.CURRENT_IMPORT, UnitOfMeasure.A),
        sample("3.1816661", Measurand.ENERGY_ACTIVE_IMPORT_INTERVAL, UnitOfMeasure.WH),
        sample("381.79993", Measurand.POWER_ACTIVE_EXPORT, UnitOfMeasure.W),
    ]
    moment = MeterValue(format_datetime(unix_s, offset_min=120), samples)
    return MeterValues(connector_id=2, transaction_id=1234, meter_value=[moment])


def measure() -> dict[str, float]:
    """Every figure in µs of CPU, but `call_bytes`."""
    message_id, unix_s = "14057949118014675557", 1_555_684_004.277
    payload = meter_values(unix_s)
    call = encode_call(message_id, "MeterValues", payload)
    answer = encode_result(message_id, MeterValuesConf())
    raw_call, raw_answer = decode(call).payload, decode(answer).payload
    beat = encode_result(message_id, HeartbeatConf(format_datetime(unix_s)))
    return {
        "build_and_encode_call_us": cpu_us(
            lambda: encode_call(message_id, "MeterValues", meter_values(unix_s))
        ),
        "encode_call_us": cpu_us(lambda: encode_call(message_id, "MeterValues", payload)),
        "encode_heartbeat_us": cpu_us(lambda: encode_call(message_id, "Heartbeat", Heartbeat())),
        "decode_call_us": cpu_us(lambda: decode(call)),
        "decode_call_payload_us": cpu_us(lambda: decode_payload(MeterValues, raw_call)),
        "decode_answer_us": cpu_us(lambda: decode(answer)),
        "decode_answer_payload_us": cpu_us(lambda: decode_confirmation(MeterValuesConf, raw_answer)),
        "decode_heartbeat_answer_us": cpu_us(lambda: decode_payload(HeartbeatConf, decode(beat).payload)),
        "station_side_us": cpu_us(
            lambda: (
                encode_call(message_id, "MeterValues", meter_values(unix_s)),
                decode_confirmation(MeterValuesConf, decode(answer).payload),
            )
        ),
        "call_bytes": float(len(call)),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    chosen = arguments.parse_args()
    figures = measure()
    for name, value in figures.items():
        print(f"{name:<28} {value:>9.3f}")
    if chosen.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
