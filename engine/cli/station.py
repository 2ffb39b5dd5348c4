"""`greenup station`: one station in real time, commands on standard input, events on standard output."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

import uvloop

from engine.cli.lines import Input, Output
from engine.control import Control
from engine.dial import DialSettings, tls_context
from results.command_line import Parser
from results.exit_codes import ExitCode
from stations.errors import PlanError

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

power_off forgets what the station holds in RAM. Vehicles stay plugged in; loose cables, locks and faults stay
  as they are for the same state_dir (without one: the same charge_point_id) until this process ends.

sftp: a host in state_dir/known_hosts (OpenSSH's format) must show a key that is listed there; the first key
  of any other host is believed and written down. https, ftps: certificates that this machine trusts.
ftps: explicit TLS on port 21 or the one in the location; implicit TLS on port 990. Passive mode only.

examples:
  greenup csms &                                       a central system on ws://127.0.0.1:9000/ocpp
  greenup station                                      then type commands
"""


def run(name: str, arguments: Sequence[str]) -> int:
    """Until `exit` or the end of the input."""
    parser = Parser(
        prog=f"greenup {name}",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.add_argument("--tls-ca", metavar="FILE", help="certificates (PEM) to verify a wss:// CSMS with")
    parser.add_argument("--client-cert", metavar="FILE", help="client certificate (PEM): security profile 3")
    parser.add_argument("--client-key", metavar="FILE", help="its private key (PEM)")
    options = parser.parse_args(arguments)
    if bool(options.client_cert) != bool(options.client_key):
        raise PlanError("--client-cert and --client-key: give both or neither")
    dial = DialSettings(
        ca_file=options.tls_ca, certificate_file=options.client_cert, key_file=options.client_key
    )
    tls_context(dial)  # PlanError for a file that does not load: said now, not at the first connection
    uvloop.run(_serve(dial))
    return ExitCode.PASS


async def _serve(dial: DialSettings) -> None:
    output = Output(sys.stdout.fileno())
    control = Control(asyncio.get_running_loop(), output.say, dial)
    Input(asyncio.get_running_loop(), sys.stdin.fileno(), control.command, control.ended.set)
    await control.ended.wait()
    output.close()
