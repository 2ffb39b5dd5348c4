"""How a station writes times: the milliseconds are those of `round`, in both forms of the code."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from stations.core import wall
from stations.core.plan import Personality
from tests.support.bench import bench

STATION = bench(personality=Personality.SPEC).station
half_milliseconds = st.integers(-(10**12), 8 * 10**12).map(lambda halves: halves / 2_000)


@given(half_milliseconds | st.floats(-1e9, 4e9))
def test_a_time_is_written_to_the_nearest_millisecond(unix_s):
    told = datetime.fromisoformat(wall.stamp(STATION, unix_s))
    assert round(told.timestamp() * 1000) == round(unix_s * 1000)
