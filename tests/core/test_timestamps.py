"""LG-1: the way of writing time belongs to the firmware; WS-1: URI and UID make one URL."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.core.address import connection_url
from stations.core.timestamps import french_offset_min, stamp
from stations.wire.types import parse_datetime


def test_the_guide_s_firmware_writes_local_time_and_a_later_one_utc():
    """LG-1: 2019 with milliseconds and offset, 2024 with Z and whole seconds."""
    summer, winter = 1_555_683_943.083, 1_547_907_943.083
    assert stamp(summer, "V01.01.65/V01.01.08") == "2019-04-19T16:25:43.083+02:00"
    assert stamp(winter, "V01.01.65/V01.01.08").endswith(".083+01:00")
    assert stamp(summer, "V02.00.00") == "2019-04-19T14:25:43Z"


@given(st.integers(946_684_800, 4_102_444_800), st.sampled_from(["V01.01.65/V01.01.08", "other"]))
def test_every_style_reads_back_as_the_same_moment(unix_s, firmware):
    """LG-1, RPC-10."""
    assert parse_datetime(stamp(unix_s, firmware)) == unix_s


@given(st.integers(946_684_800, 2_145_916_800))
def test_french_time_agrees_with_the_time_zone_database(unix_s):
    """LG-1: a second source for the rule of summer time."""
    offset = datetime.fromtimestamp(unix_s, ZoneInfo("Europe/Paris")).utcoffset()
    assert french_offset_min(unix_s) == offset.total_seconds() / 60


@pytest.mark.parametrize("edge", ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"])
def test_summer_time_begins_and_ends_on_the_hour(edge):
    """LG-1."""
    moment = parse_datetime(edge)
    assert {french_offset_min(moment - 1), french_offset_min(moment)} == {60, 120}


@pytest.mark.parametrize(
    ("uri", "uid", "url"),
    [
        ("ws://host/ocpp", "GU-1", "ws://host/ocpp/GU-1"),
        ("ws://host/ocpp/", "GU-1", "ws://host/ocpp/GU-1"),
        ("ws://host", "RDAM 123", "ws://host/RDAM%20123"),
        ("wss://host:8443/a/b", "a/b?é", "wss://host:8443/a/b/a%2Fb%3F%C3%A9"),
    ],
)
def test_uri_and_uid_are_joined_with_one_slash(uri, uid, url):
    """WS-1."""
    assert connection_url(uri, uid) == url
