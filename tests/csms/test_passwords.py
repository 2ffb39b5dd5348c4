"""Basic authentication of stations (SEC-1)."""

from base64 import b64encode

import pytest

from csms.passwords import Passwords, read_passwords
from stations.errors import PlanError


def basic(user: str, password: bytes) -> str:
    return "Basic " + b64encode(user.encode() + b":" + password).decode()


def test_the_example_of_the_specification_is_let_in():
    """SEC-1, J§6.2.2: AL1000 with the key 0001…FF as twenty bytes."""
    key = "0001020304050607" + "FF" * 12
    header = "Basic QUwxMDAwOgABAgMEBQYH////////////////"
    assert Passwords({"AL1000": key}).allow("AL1000", header)
    assert not Passwords({"AL1000": key}).allow("AL1001", header)


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer abc", "Basic !!!", "Basic " + b64encode(b"GU-1").decode(), basic("GU-2", b"secret")],
)
def test_anything_else_is_kept_out(header):
    passwords = Passwords({"GU-1": "secret"})
    assert passwords.allow("GU-1", basic("GU-1", b"secret"))
    assert not passwords.allow("GU-1", header)


def test_the_star_stands_for_every_station_without_a_password_of_its_own():
    passwords = Passwords({"GU-1": "own", "*": "common"})
    assert passwords.allow("GU-2", basic("GU-2", b"common"))
    assert not passwords.allow("GU-1", basic("GU-1", b"common"))
    assert not Passwords({"GU-1": "own"}).allow("GU-2", basic("GU-2", b"own"))


def test_a_password_that_looks_like_hex_may_also_be_sent_as_its_characters():
    key = "00" * 16
    assert Passwords({"GU-1": key}).allow("GU-1", basic("GU-1", key.encode()))
    assert Passwords({"GU-1": key}).allow("GU-1", basic("GU-1", bytes(16)))


def test_passwords_are_read_from_lines(tmp_path):
    path = tmp_path / "passwords"
    path.write_text("# ours\n\nGU-1:pass:with:colons\n*:common\n")
    passwords = read_passwords(path)
    assert passwords.allow("GU-1", basic("GU-1", b"pass:with:colons"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("GU-1\n", ":1: expected identity:password"),
        ("GU-1:a\nGU-1:b\n", ":2: a second password for GU-1"),
        ("# none\n", "no passwords"),
    ],
)
def test_a_bad_passwords_file_is_named_with_its_line_and_shows_no_secret(tmp_path, text, message):
    path = tmp_path / "passwords"
    path.write_text(text)
    with pytest.raises(PlanError, match=message):
        read_passwords(path)


def test_an_absent_passwords_file_is_bad_input(tmp_path):
    with pytest.raises(PlanError, match="cannot read"):
        read_passwords(tmp_path / "nowhere")
