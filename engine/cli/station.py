"""`greenup station`: one station in real time, commands on standard input, events on standard output."""

import argparse
import asyncio
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import uvloop

from engine.control import Control
from results.exit_codes import ExitCode

_DESCRIPTION: Final = """\
Run ONE station in real time. Commands come on standard input, one JSON object a line; what happens is
printed on standard output, one JSON object a line: frames in and out, status changes, links, errors.
Commands return at once. A command that cannot be prints {"error": "..."} and changes nothing.
"""

_EPILOG: Final = """\
commands:
  {"op":"power_on","spec":{"url":"ws://127.0.0.1:9000/ocpp/GU-000001","charge_point_id":"GU-000001"}}
  {"op":"power_off"}                                   power cut: the socket just drops
  {"op":"plug_in","connector":1}                       cable in station and vehicle; optional "vehicle"
  {"op":"plug_out","connector":1}  {"op":"plug_out_ev","connector":1}
  {"op":"swipe","id_tag":"BADGE-1","connectors":[1]}   without connectors: the reader does not know the side
  {"op":"fault","connector":1,"error_code":"GroundFailure"}  {"op":"clear_fault","connector":1}
  {"op":"ev_pause","connector":1}  {"op":"ev_resume","connector":1}
  {"op":"lock_failure","connector":1,"failing":true}
  {"op":"set_key","key":"HeartbeatInterval","value":"30"}
  {"op":"seed_cache","id_tag":"BADGE-1","status":"Accepted"}
  {"op":"exit"}                                        so does the end of standard input

spec: url (whole, used as it stands), charge_point_id, vendor, model, serial, firmware, connectors (1 or 2),
  detachable_cable, default_limit_a, basic_auth_key, security_profile (0-3), keys,
  personality (greenup, spec), state_dir (what survives power cuts and SIGKILL is kept there),
  reboot_delay_s, drop_ws_on_firmware_reboot

examples:
  greenup csms &                                       a central system on ws://127.0.0.1:9000/ocpp
  greenup station                                      then type commands
"""


def run(name: str, arguments: Sequence[str]) -> int:
    """Until `exit` or the end of the input."""
    parser = argparse.ArgumentParser(
        prog=f"greenup {name}",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    uvloop.run(_serve())
    return ExitCode.PASS


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    control = Control(loop, _say)
    # A thread reads: standard input may be a terminal, a pipe or a file, and not all of them can be polled.
    threading.Thread(target=_read, args=(loop, control), daemon=True).start()
    await control.ended.wait()


def _read(loop: asyncio.AbstractEventLoop, control: Control) -> None:
    # Not sys.stdin: its lock, held by a thread that waits, would abort the interpreter's end.
    rest = b""
    while piece := os.read(sys.stdin.fileno(), 1 << 16):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.strip():
                loop.call_soon_threadsafe(control.command, line)
    loop.call_soon_threadsafe(control.ended.set)


def _say(what: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(what) + b"\n")
    sys.stdout.buffer.flush()
