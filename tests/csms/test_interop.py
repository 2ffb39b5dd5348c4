"""Against a station written by others: the `ocpp` library checks every frame with the official schemas."""

import asyncio

import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action, RegistrationStatus, ResetStatus
from websockets.asyncio.client import connect

pytestmark = pytest.mark.realnet


class Station(ChargePoint):
    """A station of the library, which answers Reset and GetConfiguration."""

    @on(Action.reset)
    def reset(self, type):  # noqa: A002 — the library passes OCPP's names
        return call_result.Reset(status=ResetStatus.accepted)

    @on(Action.get_configuration)
    def get_configuration(self, **_asked):
        keys = [{"key": "HeartbeatInterval", "readonly": False, "value": "60"}]
        return call_result.GetConfiguration(configuration_key=keys)


def test_a_whole_session_with_another_implementation(story):
    async def tell(world):
        async with connect(f"{world.url}/OTHER-1", subprotocols=["ocpp1.6"], proxy=None) as socket:
            station = Station("OTHER-1", socket)
            serving = asyncio.create_task(station.start())
            boot = await station.call(
                call.BootNotification(charge_point_model="M", charge_point_vendor="V", firmware_version="1")
            )
            assert boot.status == RegistrationStatus.accepted
            await station.call(call.Heartbeat())
            await station.call(call.StatusNotification(1, "NoError", "Preparing"))
            started = await station.call(
                call.StartTransaction(1, id_tag="TAG", meter_start=5, timestamp="2026-05-04T10:00:00+02:00")
            )
            sampled = [{"value": "6.0", "unit": "Wh", "context": "Sample.Periodic"}]
            values = [{"timestamp": "2026-05-04T10:05:00Z", "sampledValue": sampled}]
            await station.call(call.MeterValues(1, values, transaction_id=started.transaction_id))
            for action, payload in (("Reset", {"type": "Soft"}), ("GetConfiguration", {})):
                order = {"stations": "OTHER-*", "action": action, "payload": payload}
                assert (await world.api("POST", "/commands", order))["outcomes"] == {"ok": 1}
            await station.call(
                call.StopTransaction(meter_stop=9, timestamp="2026-05-04T11:00:00Z", transaction_id=1)
            )
            serving.cancel()
        assert await world.rows("SELECT station, energy_wh FROM transactions") == [("OTHER-1", 4)]

    story(tell)
