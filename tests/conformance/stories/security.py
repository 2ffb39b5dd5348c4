"""Section 13: who is who, and who may listen."""

import asyncio
import base64
import ssl
import subprocess
from pathlib import Path

from tests.conformance.bench import Bench
from tests.conformance.centre import Refusal
from tests.conformance.story import story

KEY = "0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"


def certificates(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """A self-signed server certificate for this address: (certificate, key)."""
    certificate, key = folder / "server.pem", folder / "server.key"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", key, "-out",
            certificate, "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{name}",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return certificate, key


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def basic(user: str, password: bytes) -> str:
    return "Basic " + base64.b64encode(user.encode() + b":" + password).decode()


@story("SEC-1", quick=True)
async def basic_authentication_in_bytes(t: Bench):
    await t.prepare(security_profile=1, basic_auth_key=KEY)
    t.power_on(charge_point_id="AL1000")
    await t.booted()
    assert t.csms.headers[0]["authorization"] == "Basic QUwxMDAwOgABAgMEBQYH////////////////"
    assert await t.csms.configured("AuthorizationKey") in {None, ""}
    await t.csms.link.close()
    await t.csms.until(lambda: len(t.csms.headers) == 2, "a reconnect")
    assert t.csms.headers[1]["authorization"] == t.csms.headers[0]["authorization"]


@story("SEC-1")
async def a_key_that_is_not_hexadecimal_is_characters(t: Bench):
    await t.prepare(security_profile=1, basic_auth_key="a plain password")
    t.power_on()
    await t.booted()
    assert t.csms.headers[0]["authorization"] == basic("CP-7", b"a plain password")


@story("SEC-1", "WS-3")
async def refused_credentials_are_tried_again(t: Bench):
    t.csms.doors = [401, 401]
    await t.prepare(security_profile=1, basic_auth_key=KEY)
    t.power_on()
    await t.csms.next("BootNotification", 20)
    assert len({headers["authorization"] for headers in t.csms.headers}) == 1


@story("SEC-3", quick=True)
async def a_new_key_is_used_at_once(t: Bench):
    await t.up(security_profile=1, basic_auth_key=KEY)
    assert await t.csms.configure("AuthorizationKey", "00" * 8) == "Rejected"
    assert await t.csms.configure("AuthorizationKey", "00112233445566778899aabbccddeeff") == "Accepted"
    await t.csms.until(lambda: len(t.csms.headers) == 2, "a reconnect with the new key")
    new = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert t.csms.headers[1]["authorization"] == basic("CP-7", new)
    await t.csms.none("BootNotification", 0.5)
    await t.replace()
    t.power_on()
    await t.csms.until(lambda: len(t.csms.headers) == 3, "after a kill")
    assert t.csms.headers[2]["authorization"] == basic("CP-7", new), "stored for good"


@story("SEC-2", "WS-3", quick=True)
async def an_unknown_certificate_is_not_trusted(t: Bench):
    pair = certificates(t.folder)
    await t.prepare(ssl=server_context(*pair), security_profile=2, basic_auth_key=KEY)
    t.power_on()
    for _ in range(2):
        count = len(t.station.lines)
        line = await t.station.line("failure", 12, count)
        assert line["state"] == "refused"
    assert not t.csms.calls
    assert not t.csms.headers


@story("SEC-2", "SEC-1")
async def a_trusted_certificate_is_spoken_to(t: Bench):
    certificate, key = certificates(t.folder)
    t.environment["SSL_CERT_FILE"] = str(certificate)
    await t.up(ssl=server_context(certificate, key), security_profile=2, basic_auth_key=KEY)
    assert t.csms.headers[0]["authorization"] == basic("CP-7", bytes.fromhex(KEY))
    await t.charging()
    await t.csms.link.close()
    await t.csms.until(lambda: len(t.csms.links) == 2, "a reconnect")


@story("SEC-2")
async def a_certificate_for_somebody_else_is_not_trusted(t: Bench):
    certificate, key = certificates(t.folder, "127.0.0.2")
    t.environment["SSL_CERT_FILE"] = str(certificate)
    await t.prepare(ssl=server_context(certificate, key), security_profile=2, basic_auth_key=KEY)
    t.power_on()
    await t.station.line("failure", 12)
    assert not t.csms.headers


@story("SEC-2", quick=True)
async def the_profile_goes_up_only(t: Bench):
    await t.up(security_profile=1, basic_auth_key=KEY)
    assert await t.csms.configured("SecurityProfile") == "1"
    for level in ("0", "1", "9", "x"):
        assert await t.csms.configure("SecurityProfile", level) == "Rejected", level
    assert await t.csms.configure("SecurityProfile", "3") == "Rejected", "no client certificate"


@story("SEC-2")
async def an_upgrade_without_a_key_is_rejected(t: Bench):
    await t.up()
    assert await t.csms.configured("SecurityProfile") == "0"
    for level in ("1", "2", "3"):
        assert await t.csms.configure("SecurityProfile", level) == "Rejected", level


@story("SEC-2", "SEC-1")
async def an_upgrade_that_fails_falls_back(t: Bench):
    await t.up(security_profile=1, basic_auth_key=KEY)
    assert await t.csms.configure("SecurityProfile", "2") == "Accepted"
    await t.csms.until(lambda: len(t.csms.headers) >= 2, "back with profile 1: this port speaks no TLS", 40)
    assert await t.csms.configured("SecurityProfile") == "1"


@story("SEC-3")
async def an_upgrade_to_basic_authentication(t: Bench):
    await t.up()
    status = await t.csms.configure("AuthorizationKey", KEY)
    assert status == "Accepted"
    await asyncio.sleep(2.5)
    assert await t.csms.configure("SecurityProfile", "1") == "Accepted"
    await t.csms.until(lambda: "authorization" in t.csms.headers[-1], "with a key now", 20)
    assert t.csms.headers[-1]["authorization"] == basic("CP-7", bytes.fromhex(KEY))


@story("SEC-4", quick=True)
async def the_product_knows_no_security_messages(t: Bench):
    await t.up(personality="greenup")
    for action in ("SignedUpdateFirmware", "GetLog", "InstallCertificate", "ExtendedTriggerMessage"):
        answer = await t.csms.call(action)
        assert isinstance(answer, Refusal)
        assert answer.code == "NotImplemented"
    for key in ("AuthorizationKey", "SecurityProfile"):
        assert await t.csms.configure(key, KEY) == "NotSupported"
