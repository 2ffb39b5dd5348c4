"""The command API: commands, lists, settings, and who is kept out."""

import asyncio

import pytest

pytestmark = pytest.mark.realnet


async def answer_commands(station, payload):
    """Be a station that answers every CALL with this payload; None: never."""
    while True:
        call = await station.receive(timeout_s=30)
        if payload is not None:
            await station.send([3, call[1], payload])


def test_a_command_to_one_station_returns_its_answer(story):
    async def tell(world):
        station = await world.station()
        serving = asyncio.create_task(answer_commands(station, {"status": "Accepted"}))
        order = {"stations": ["GU-1"], "action": "Reset", "payload": {"type": "Soft"}}
        job = await world.api("POST", "/commands", order)
        [result] = job["results"]
        assert (result["station"], result["outcome"], result["payload"]) == (
            "GU-1",
            "ok",
            {"status": "Accepted"},
        )
        assert job["outcomes"] == {"ok": 1}
        serving.cancel()

    story(tell)


def test_a_group_is_chosen_by_glob_and_everyone_gets_a_result(story):
    async def tell(world):
        willing = [await world.station(f"GU-{number}") for number in range(3)]
        deaf = await world.station("GU-deaf")
        await world.station("XX-1")
        serving = [asyncio.create_task(answer_commands(one, {"status": "Accepted"})) for one in willing]
        order = {"stations": "GU-*", "action": "ClearCache", "timeout_s": 1.5}
        job = await world.api("POST", "/commands", order)
        assert job["stations"] == 4
        assert job["outcomes"] == {"ok": 3, "timeout": 1}
        assert (await deaf.receive())[2] == "ClearCache"
        listed = await world.api("POST", "/commands", {**order, "stations": ["nobody", "GU-0", "GU-0"]})
        assert listed["outcomes"] == {"ok": 1, "not connected": 1}
        for task in serving:
            task.cancel()

    story(tell)


def test_commands_are_paced_and_can_be_watched(story):
    async def tell(world):
        stations = [await world.station(f"GU-{number}") for number in range(4)]
        serving = [asyncio.create_task(answer_commands(one, {"status": "Accepted"})) for one in stations]
        order = {"stations": "*", "action": "ClearCache", "rate_per_s": 10, "wait": False}
        job = await world.api("POST", "/commands", order, status=202)
        assert job["ended_s"] is None
        await world.until(lambda: world.server.commands.job(job["id"]).ended_s)
        job = await world.api("GET", f"/commands/{job['id']}")
        assert job["ended_s"] - job["begun_s"] > 0.25
        assert len(job["results"]) == 4
        assert [one["id"] for one in (await world.api("GET", "/commands"))["commands"]] == [job["id"]]
        await world.api("GET", "/commands/99", status=404)
        for task in serving:
            task.cancel()

    story(tell)


def test_a_payload_is_checked_unless_the_test_wants_it_wrong(story):
    """RPC-9 from the other side: stations are tested with broken commands."""

    async def tell(world):
        station = await world.station()
        order = {"stations": "*", "action": "Reset", "payload": {"type": "soft"}, "timeout_s": 0.2}
        assert "type" in (await world.api("POST", "/commands", order, status=400))["error"]
        for action in ("Heartbeat", "Restart"):
            refused = await world.api("POST", "/commands", {**order, "action": action}, status=400)
            assert "no operation to stations" in refused["error"]
        job = await world.api("POST", "/commands", {**order, "action": "Restart", "unchecked": True})
        assert job["outcomes"] == {"timeout": 1}
        assert (await station.receive())[2:] == ["Restart", {"type": "soft"}]

    story(tell)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"action": "Reset"}, "stations"),
        ({"action": "Reset", "stations": "*", "timeout_s": 0}, "timeout_s"),
        ({"action": "Reset", "stations": "*", "rate_per_s": -1}, "rate_per_s"),
        ({"action": "Reset", "stations": "*", "speed": 1}, "speed"),
    ],
)
def test_a_bad_order_is_refused_with_the_place(story, body, place):
    async def tell(world):
        assert place in (await world.api("POST", "/commands", body, status=400))["error"]

    story(tell)


def test_stations_are_listed_with_what_they_are_doing(story):
    async def tell(world):
        station = await world.station("GU-1")
        started = await station.start()
        await station.ask(
            "StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}
        )
        gone = await world.station("GU-2")
        await gone.socket.close()
        await world.until(lambda: list(world.server.central.sessions) == ["GU-1"])
        await world.rows("SELECT 1")
        found = await world.api("GET", "/stations?match=GU-*&connected=true")
        assert found["total"] == 1
        assert found["stations"][0]["transactions"] == {"1": started["transactionId"]}
        assert found["stations"][0]["model"] == "059004"
        assert (await world.api("GET", "/stations?connected=false"))["stations"][0]["station"] == "GU-2"
        assert (await world.api("GET", "/stations?limit=1&offset=1"))["stations"][0]["station"] == "GU-2"
        one = await world.api("GET", "/stations/GU-1")
        assert [(status["connector"], status["status"]) for status in one["connectors"]] == [(1, "Charging")]
        await world.api("GET", "/stations/nobody", status=404)

    story(tell)


def test_the_ledger_is_listed_newest_first_with_filters(story):
    async def tell(world):
        station = await world.station()
        ids = [(await station.start(connector=side, meter=side))["transactionId"] for side in (1, 2)]
        await station.stop(ids[0])
        await station.stop(-1)
        await world.rows("SELECT 1")
        listed = await world.api("GET", "/transactions")
        assert [row["transaction_id"] for row in listed["transactions"]] == ids[::-1]
        still_open = await world.api("GET", "/transactions?open=true&station=GU-1")
        assert [row["transaction_id"] for row in still_open["transactions"]] == ids[1:]
        assert len((await world.api("GET", "/transactions?connector=1&limit=5"))["transactions"]) == 1
        assert len((await world.api("GET", "/orphan-stops"))["orphan_stops"]) == 1
        for name in (
            "statuses",
            "connectors",
            "connections",
            "meter-values",
            "notifications",
            "misdeeds",
            "frames",
        ):
            await world.api("GET", f"/{name}")

    story(tell)


@pytest.mark.parametrize(
    "path",
    [
        "/transactions?x=1",
        "/transactions?limit=many",
        "/transactions?limit=100000000",
        "/statuses?open=true",
        "/stations?connected=perhaps",
        "/stations?offset=-1",
    ],
)
def test_a_bad_question_is_answered_with_400(story, path):
    async def tell(world):
        assert (await world.api("GET", path, status=400))["error"]

    story(tell)


def test_tags_are_put_listed_and_forgotten_for_good(story):
    async def change(world):
        station = await world.station()
        await world.api("PUT", "/tags/A", {"status": "Blocked", "parent_id_tag": "P"})
        assert (await station.ask("Authorize", {"idTag": "a"}))["idTagInfo"]["status"] == "Blocked"
        await world.api("PUT", "/tags/B", {})
        await world.api("DELETE", "/tags/B")
        await world.api("DELETE", "/tags/B", status=404)
        await world.api("PUT", f"/tags/{'X' * 21}", {}, status=400)
        await world.api("PUT", "/tags/C", {"status": "blocked"}, status=400)
        assert [row["id_tag"] for row in (await world.api("GET", "/tags"))["tags"]] == ["A"]

    async def later(world):
        station = await world.station()
        assert (await station.ask("Authorize", {"idTag": "A"}))["idTagInfo"]["parentIdTag"] == "P"

    story(change)
    story(later)


def test_authorization_and_boot_rules_change_while_running(story):
    async def tell(world):
        station = await world.station()
        body = {"restricted": True, "one_transaction_per_tag": False}
        assert (
            await world.api("PUT", "/authorization", body) == body == await world.api("GET", "/authorization")
        )
        assert (await station.ask("Authorize", {"idTag": "A"}))["idTagInfo"]["status"] == "Invalid"
        await world.api("PUT", "/boot", {"status": "Rejected", "interval_s": 5, "stations": "GU-1"})
        assert (await station.boot())["status"] == "Rejected"
        assert len((await world.api("GET", "/boot"))["rules"]) == 2
        await world.api("PUT", "/boot", {"status": "Rejected", "interval_s": -5}, status=400)

    story(tell)


def test_behaviour_is_replaced_while_running(story):
    async def tell(world):
        station = await world.station()
        fault = {"name": "callerror", "actions": ["Heartbeat"], "code": "X"}
        await world.api("PUT", "/behaviour", {"fault": [fault]})
        assert (await station.call("Heartbeat"))[2] == "X"
        assert (await world.api("GET", "/behaviour"))["fault"][0]["code"] == "X"
        assert (await world.api("GET", "/statistics"))["misdeeds"] == {"callerror": 1}
        await world.api("PUT", "/behaviour", {})
        await station.ask("Heartbeat")
        refused = await world.api(
            "PUT", "/behaviour", {"fault": [{"name": "callerror", "share": 7}]}, status=400
        )
        assert "$.fault[0].share" in refused["error"]

    story(tell)


def test_stations_are_disconnected_with_a_code_or_cut(story):
    async def tell(world):
        polite, cut = await world.station("GU-1"), await world.station("GU-2")
        body = {"stations": ["GU-1", "nobody"], "code": 1008, "reason": "no"}
        assert await world.api("POST", "/disconnect", body) == {"disconnected": 1}
        assert await polite.closed() == (1008, "no")
        await world.api("POST", "/disconnect", {"stations": "*", "code": None})
        assert (await cut.closed())[0] == 1006

    story(tell)


def test_a_restart_is_answered_before_it_is_over(story):
    async def tell(world):
        station = await world.station()
        await world.api("POST", "/restart", {"down_s": 0.2, "code": 1012}, status=202)
        assert (await station.closed())[0] == 1012
        await world.station_patiently()

    story(tell)


def test_health_and_statistics_tell_what_is_going_on(story):
    async def tell(world):
        station = await world.station()
        await station.call("Nonsense")
        assert (await world.api("GET", "/health"))["status"] == "ok"
        found = await world.api("GET", "/statistics")
        assert found["connections"] == 1
        assert found["counted"]["calls"] == {"BootNotification": 1}
        assert found["counted"]["errors_sent"] == {"NotImplemented": 1}
        assert found["ledger"]["rows"]["stations"] == 1
        world.server.central.ledger.counters.failing = "disk full"
        assert (await world.api("GET", "/health", status=503))["reason"] == "disk full"
        world.server.central.ledger.counters.failing = ""

    story(tell)


def test_what_changes_something_cannot_come_from_another_page(story):
    """C11: a form can send neither the content type nor the header."""

    async def tell(world):
        url = world.api_url + "/restart"
        proof = {"X-CSMS-Request": "1"}
        async with world.http.post(
            url, data=b"{}", headers={"Content-Type": "text/plain", **proof}
        ) as answer:
            assert answer.status == 415
        async with world.http.post(url, json={}) as answer:
            assert answer.status == 403
        for method in ("PUT", "DELETE"):
            async with world.http.request(method, world.api_url + "/tags/A", json={}) as answer:
                assert answer.status == 403
        assert world.server.central.misdeeds.committed == {}

    story(tell)


def test_another_name_for_loopback_is_not_answered(story):
    """A page whose name was rebound to 127.0.0.1 reads nothing."""

    async def tell(world):
        await world.api("GET", "/stations", status=403, headers={"Host": "evil.example"})
        await world.api("GET", "/stations", headers={"Host": "localhost:1234"})

    story(tell)


def test_with_a_token_only_its_bearer_is_answered(story):
    async def tell(world):
        bearer = {"Authorization": "Bearer s3cret"}
        await world.api("GET", "/health", headers={})
        await world.api("GET", "/stations", status=401, headers={})
        await world.api("GET", "/stations", status=401, headers={"Authorization": "Bearer wrong"})
        await world.api("GET", "/stations", headers=bearer)
        await world.api("PUT", "/tags/A", {}, headers=bearer)

    story(tell, api_token="s3cret")


def test_unknown_paths_methods_and_bodies_are_json_errors(story):
    async def tell(world):
        await world.api("GET", "/nothing", status=404)
        await world.api("POST", "/stations", {}, status=405)
        async with world.http.post(
            world.api_url + "/commands",
            data=b"{",
            headers={"Content-Type": "application/json", "X-CSMS-Request": "1"},
        ) as answer:
            assert answer.status == 400
            assert "error" in await answer.json()

    story(tell)
