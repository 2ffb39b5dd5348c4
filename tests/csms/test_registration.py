"""The boot policy (BOOT-3, BOOT-5 … BOOT-7)."""

import pytest

from csms.registration import BootPolicy, BootRule
from stations.wire.types import RegistrationStatus


def test_the_last_rule_that_matches_decides():
    policy = BootPolicy(BootRule())
    policy.add(BootRule(RegistrationStatus.PENDING, 5, "GU-0*"))
    policy.add(BootRule(RegistrationStatus.REJECTED, 7, "GU-00"))
    assert policy.decide("GU-1").status == "Accepted"
    assert policy.decide("GU-01").interval_s == 5
    assert policy.decide("GU-00").status == "Rejected"


def test_a_rule_with_the_same_glob_is_replaced():
    policy = BootPolicy(BootRule())
    policy.add(BootRule(RegistrationStatus.REJECTED))
    assert policy.decide("GU-1").status == "Rejected"
    assert len(policy.rules()) == 1


def test_a_station_that_no_rule_names_is_rejected():
    assert BootPolicy(BootRule(stations="GU-*")).decide("XX").status == "Rejected"


def test_a_negative_interval_is_refused():
    with pytest.raises(ValueError, match="interval_s"):
        BootRule(interval_s=-1)
