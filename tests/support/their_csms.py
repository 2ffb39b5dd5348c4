"""A small central system on somebody else's OCPP library (`ocpp`, PyPI), with a ledger of its own in SQLite.

    python their_csms.py LEDGER

It prints its port, accepts every station and every badge, and writes down what it is told in its own words
and units: kWh, one row per transaction, opened by StartTransaction and closed by StopTransaction. It shares
no code with the project: the library decodes, checks each message against the official schemas, and encodes.
"""

import asyncio
import contextlib
import sqlite3
import sys
from datetime import UTC, datetime

from ocpp.routing import on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.enums import Action, AuthorizationStatus, DataTransferStatus, RegistrationStatus
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

TABLES = """
CREATE TABLE charging (
    number INTEGER PRIMARY KEY, charger TEXT, side INTEGER, card TEXT,
    begin_at TEXT, begin_kwh TEXT, end_at TEXT, end_kwh TEXT, ends INTEGER DEFAULT 0
);
CREATE TABLE reading (charging INTEGER, values_count INTEGER);
CREATE TABLE boot (charger TEXT, model TEXT);
"""
WELCOME = {"status": AuthorizationStatus.accepted}


class TheirView(ChargePoint):
    """One charge point as this central system sees it."""

    def __init__(self, identity, connection, ledger):
        super().__init__(identity, connection)
        self.ledger = ledger

    def write(self, statement, *values):
        with self.ledger:
            return self.ledger.execute(statement, values)

    @on(Action.boot_notification)
    def boot(self, charge_point_model, **_more):
        self.write("INSERT INTO boot VALUES (?, ?)", self.id, charge_point_model)
        now = datetime.now(UTC).isoformat()
        return call_result.BootNotification(current_time=now, interval=60, status=RegistrationStatus.accepted)

    @on(Action.heartbeat)
    def beat(self):
        return call_result.Heartbeat(current_time=datetime.now(UTC).isoformat())

    @on(Action.status_notification)
    def status(self, **_more):
        return call_result.StatusNotification()

    @on(Action.authorize)
    def authorize(self, **_more):
        return call_result.Authorize(id_tag_info=WELCOME)

    @on(Action.data_transfer)
    def data(self, **_more):
        return call_result.DataTransfer(status=DataTransferStatus.unknown_vendor_id)

    @on(Action.start_transaction)
    def begin(self, connector_id, id_tag, meter_start, timestamp, **_more):
        made = self.write(
            "INSERT INTO charging (charger, side, card, begin_at, begin_kwh) VALUES (?, ?, ?, ?, ?)",
            *(self.id, connector_id, id_tag, timestamp, f"{meter_start / 1000:.3f}"),
        )
        return call_result.StartTransaction(transaction_id=made.lastrowid, id_tag_info=WELCOME)

    @on(Action.meter_values)
    def read(self, transaction_id=None, **_more):
        if transaction_id is not None:
            self.write("INSERT INTO reading VALUES (?, 1)", transaction_id)
        return call_result.MeterValues()

    @on(Action.stop_transaction)
    def end(self, transaction_id, meter_stop, timestamp, **_more):
        self.write(
            "UPDATE charging SET end_at = ?, end_kwh = ?, ends = ends + 1 WHERE number = ?",
            *(timestamp, f"{meter_stop / 1000:.3f}", transaction_id),
        )
        return call_result.StopTransaction(id_tag_info=WELCOME)


async def main(path):
    """Until somebody ends it."""
    ledger = sqlite3.connect(path)
    ledger.executescript(TABLES)

    async def serve_one(connection):
        identity = connection.request.path.rpartition("/")[2]
        with contextlib.suppress(ConnectionClosed):
            await TheirView(identity, connection, ledger).start()

    async with serve(serve_one, "127.0.0.1", 0, subprotocols=["ocpp1.6"]) as server:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
