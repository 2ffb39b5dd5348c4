"""WS-1: URI and UID make one URL (J§3.1.1)."""

import pytest

from stations.core.address import connection_url


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
