"""`python -m csms`: run the central system until it is told to stop."""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

import msgspec
import uvloop

from csms.options import Options, parse
from csms.server import Addresses, Server
from stations.errors import PlanError


async def _serve(options: Options) -> None:
    server = Server(options.settings)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.ending.set)
    addresses = await server.start()
    try:
        _announce(addresses, as_json=options.ready_json)
        await server.ending.wait()
    finally:
        await server.stop()


def _announce(addresses: Addresses, *, as_json: bool) -> None:
    if as_json:
        line = msgspec.json.encode(addresses).decode()
    else:
        line = (
            f"stations: {addresses.url}/IDENTITY   API: {addresses.api_url}   ledger: {addresses.database}"
            "   (Ctrl-C stops)"
        )
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None, program: str = "python -m csms") -> int:
    """Exit code 0 after a graceful end, 2 for bad input with one line on standard error.

    `arguments` None: those of this process. `program` is what its help calls itself.
    """
    logging.basicConfig(format="csms: %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    try:
        uvloop.run(_serve(parse(sys.argv[1:] if arguments is None else arguments, program)))
    except PlanError as exc:
        sys.stderr.write(f"csms: {exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
