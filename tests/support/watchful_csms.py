"""A central system that trusts nobody: it writes down which process is behind every station's connection.

    python watchful_csms.py JOURNAL

It prints its port, accepts every station and every call, and adds one JSON line to JOURNAL when a connection
opens or closes: `{"at_s", "what", "uid", "pid"}`. `clash` is an opening while the station is connected from
another process: the same station twice. It shares no code with the project.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psutil
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

connected = {}  # uid -> process ids of its open connections


def process_behind(connection):
    """Who holds the other end of this loopback connection; None when it is gone already."""
    theirs, ours = connection.remote_address[1], connection.local_address[1]
    for each in psutil.net_connections("tcp4"):
        if each.laddr.port == theirs and each.raddr and each.raddr.port == ours:
            return each.pid
    return None


def answer(action):
    """The payload of a CALLRESULT that lets the station go on."""
    now = datetime.now(UTC).isoformat()
    match action:
        case "BootNotification":
            return {"status": "Accepted", "currentTime": now, "interval": 5}
        case "Heartbeat":
            return {"currentTime": now}
        case "StartTransaction":
            return {"transactionId": time.monotonic_ns() % 2**31, "idTagInfo": {"status": "Accepted"}}
        case "Authorize" | "StopTransaction":
            return {"idTagInfo": {"status": "Accepted"}}
        case "DataTransfer":
            return {"status": "Accepted"}
        case _:
            return {}


async def serve_until_killed(journal):
    def note(what, uid, pid):
        journal.write(json.dumps({"at_s": time.time(), "what": what, "uid": uid, "pid": pid}) + "\n")

    async def station(connection):
        uid = connection.request.path.rpartition("/")[2]
        pid = process_behind(connection)
        others = connected.setdefault(uid, [])
        note("clash" if any(other != pid for other in others) else "opened", uid, pid)
        others.append(pid)
        try:
            async for message in connection:
                kind, ident, *rest = json.loads(message)
                if kind == 2:
                    await connection.send(json.dumps([3, ident, answer(rest[0])]))
        except ConnectionClosed:
            pass
        finally:
            others.remove(pid)
            note("closed", uid, pid)

    async with serve(station, "127.0.0.1", 0, subprotocols=["ocpp1.6"], ping_interval=None) as server:
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    with Path(sys.argv[1]).open("w", buffering=1) as opened:
        asyncio.run(serve_until_killed(opened))
