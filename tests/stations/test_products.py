"""The range as data: what the guide names exists, estimates are marked."""

import pytest

from stations import products
from stations.core.plan import Personality
from stations.errors import PlanError
from stations.products import RANGE, Evidence


def test_the_guide_s_reference_is_the_default_product():
    """BOOT-2: model is the product reference, vendor, firmware and meter type as in the guide's example."""
    found = products.product("0 590 04")
    assert (found.model, found.vendor, found.firmware) == ("059004", "Legrand", "V01.01.65/V01.01.08")
    assert (found.meter_type, found.personality) == ("internal", Personality.GREENUP)
    assert RANGE["059004"].evidence is Evidence.GUIDE
    assert RANGE["059004"].power_kw == 22.1


@pytest.mark.parametrize("reference", RANGE)
def test_each_reference_is_a_station_that_can_exist(reference):
    """ST-15: one or two sides; IEC 61851 currents; model fits chargePointModel (BOOT-2)."""
    product = products.product(reference)
    assert product.model == reference
    assert len(reference) <= 20
    assert product.connectors in {1, 2}
    assert product.phases in {1, 3}
    assert 6 <= product.max_current_a <= 32
    assert product.detachable_cable
    assert 3.6 <= RANGE[reference].power_kw <= 22.1


def test_what_is_not_verified_says_so():
    assert all("estimated" in row.evidence.value for row in RANGE.values())
    assert {products.COMMUNICATION_KIT, products.RFID_KIT}.isdisjoint(RANGE)


def test_an_unknown_reference_is_the_user_s_mistake():
    with pytest.raises(
        PlanError, match=r"^fleet x, \$\.groups\[0\]: there is no reference 123; mend: .*059004"
    ):
        products.product("123", "fleet x, $.groups[0]")
