import re
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stations.wire.types import DATETIME_PATTERN, format_datetime, parse_datetime

MOMENTS_S = st.floats(-60_000_000_000, 250_000_000_000)


@pytest.mark.parametrize(
    ("text", "unix_s"),
    [
        ("1970-01-01T00:00:00Z", 0.0),
        ("2019-04-19T16:26:44.277+02:00", 1555684004.277),
        ("2019-04-19T14:26:44.277", 1555684004.277),
        ("2019-04-19t14:26:44z", 1555684004.0),
        ("2019-04-19 14:26:44,5-00:30", 1555685804.5),
        ("2019-04-19T16:26:44+0200", 1555684004.0),
        ("2019-04-19T16:26:44+02", 1555684004.0),
        ("2019-04-19T14:26:44.123456789Z", 1555684004.123456789),
        ("2016-12-31T23:59:60Z", 1483228800.0),
        ("2000-02-29T00:00:00Z", 951782400.0),
        ("0000-03-01T00:00:00Z", -62162035200.0),
    ],
)
def test_any_offset_and_fraction_is_read_and_none_means_utc(text, unix_s):
    """RPC-10."""
    assert parse_datetime(text) == pytest.approx(unix_s, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2019-04-19",
        "2019-04-19T16:26Z",
        "2019-13-01T00:00:00Z",
        "2019-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2019-04-31T00:00:00Z",
        "2019-04-19T24:00:00Z",
        "2019-04-19T16:60:00Z",
        "2019-04-19T16:26:61Z",
        "2019-04-19T16:26:44.Z",
        "2019-04-19T16:26:44+24:00",
        "2019-04-19T16:26:44Z\n",
        "٢٠١٩-04-19T16:26:44Z",
        "19 April 2019",
    ],
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_datetime(text)


@given(st.from_regex(DATETIME_PATTERN))
@example("2400-02-29T23:59:60-23:59")
def test_every_text_the_schema_lets_through_is_a_moment(text):
    moment_s = parse_datetime(text)
    plain = re.sub(r"[.,][0-9]+", "", text.upper()).replace(":60", ":59")
    if text[:4] != "0000":
        zoned = plain if re.search(r"(Z|[+-][0-9:]+)\Z", plain[19:]) else plain + "Z"
        expected_s = datetime.fromisoformat(zoned).timestamp()
        assert expected_s - 0.001 <= moment_s <= expected_s + 2.001


@given(MOMENTS_S, st.booleans(), st.integers(-1_439, 1_439))
def test_what_is_written_is_read_back(unix_s, millis, offset_min):
    """RPC-10: ISO 8601 out, and the same moment in, whatever the offset."""
    text = format_datetime(unix_s, millis=millis, offset_min=offset_min)
    assert re.search(DATETIME_PATTERN, text)
    lost_s = unix_s - parse_datetime(text)
    assert -0.0001 <= lost_s < (0.0011 if millis else 1.0001)


def test_times_are_cut_not_rounded_so_that_a_stamp_never_lies_in_the_future():
    assert format_datetime(1_700_000_000.9996) == "2023-11-14T22:13:20.999Z"
    assert format_datetime(1_700_000_000.123) == "2023-11-14T22:13:20.123Z"
    assert format_datetime(-0.5, millis=False) == "1969-12-31T23:59:59Z"


def test_the_offset_of_the_station_is_shown():
    """LG-1: milliseconds and local offset in 2019, plain UTC in 2024: both can be written."""
    moment_s = datetime(2019, 4, 19, 14, 26, 44, 277000, tzinfo=UTC).timestamp()
    assert format_datetime(moment_s, offset_min=120) == "2019-04-19T16:26:44.277+02:00"
    assert format_datetime(moment_s, millis=False) == "2019-04-19T14:26:44Z"
    assert format_datetime(moment_s, millis=False, offset_min=-210) == "2019-04-19T10:56:44-03:30"
