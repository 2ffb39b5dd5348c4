"""The `ocpp` library on `websockets`.

python python_ocpp.py URL STATIONS INTERVAL_S
"""

import asyncio
import sys
from datetime import UTC, datetime

import websockets
from ocpp.v16 import ChargePoint, call

SAMPLES = [
    {"value": "1234567", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
    {"value": "7261.5", "measurand": "Power.Active.Import", "unit": "W"},
    {"value": "31.4", "measurand": "Current.Import", "unit": "A"},
    {"value": "231.2", "measurand": "Voltage", "unit": "V"},
]


def now() -> str:
    return datetime.now(UTC).isoformat()


async def station(url: str, number: int, interval_s: float) -> None:
    await asyncio.sleep(number / 200)
    async with websockets.connect(f"{url}/P{number}", subprotocols=["ocpp1.6"]) as socket:
        point = ChargePoint(f"P{number}", socket)
        listening = asyncio.create_task(point.start())
        await point.call(call.BootNotification(charge_point_model="m", charge_point_vendor="v"))
        begun = await point.call(call.StartTransaction(1, id_tag="TAG", meter_start=0, timestamp=now()))
        due = asyncio.get_running_loop().time()
        while not listening.done():
            value = [{"timestamp": now(), "sampled_value": SAMPLES}]
            await point.call(call.MeterValues(1, value, transaction_id=begun.transaction_id))
            due += interval_s
            await asyncio.sleep(due - asyncio.get_running_loop().time())


async def main(url: str, stations: str, interval_s: str) -> None:
    await asyncio.gather(*(station(url, number, float(interval_s)) for number in range(int(stations))))


asyncio.run(main(*sys.argv[1:]))
