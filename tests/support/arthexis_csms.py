"""Arthexis as a test needs it: `PYTHON arthexis_csms.py FOLDER STATION …`, PYTHON having it installed.

Its own migrations make its own database, FOLDER/db.sqlite3; its own application serves. Ours are three:
the stations are enrolled beforehand with the password KEY (its hash takes a second of CPU per connection),
paths get the slash at the end that it wants and OCPP-J lacks, and the port is printed when it listens.
"""

import os
import sys
from pathlib import Path

KEY = "sixteen-bytes-key"

folder, *stations = sys.argv[1:]
os.environ |= {
    "ARTHEXIS_DATA_DIR": folder,
    "ARTHEXIS_ALLOWED_HOSTS": "127.0.0.1",
    "DJANGO_SETTINGS_MODULE": "arthexis.settings",
}
Path(folder).mkdir(parents=True, exist_ok=True)

import arthexis.settings  # noqa: E402
import django  # noqa: E402

arthexis.settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
django.setup()

from apps.ocpp.models import Charger  # noqa: E402
from arthexis.asgi import build_application  # noqa: E402
from daphne.server import Server  # noqa: E402
from django.contrib.auth.hashers import make_password  # noqa: E402
from django.core.management import call_command  # noqa: E402

call_command("migrate", interactive=False, verbosity=0)
call_command("seed", verbosity=0, stdout=sys.stderr)
for station in stations:
    Charger.objects.create(identity=station, connection_token_hash=make_password(KEY))

theirs = build_application()


async def application(scope, receive, send):
    if scope["type"] == "websocket" and not scope["path"].endswith("/"):
        scope = {**scope, "path": scope["path"] + "/"}
    await theirs(scope, receive, send)


def ready():
    sys.stdout.write(f"{server.listening_addresses[0][1]}\n")
    sys.stdout.flush()


server = Server(application, endpoints=["tcp:port=0:interface=127.0.0.1"], ready_callable=ready)
server.run()
