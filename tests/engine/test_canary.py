"""The canary: a link of a worker to an echo in its own loop."""

import asyncio
import time

import pytest
import uvloop

from engine.canary import Canary

pytestmark = pytest.mark.realnet


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def loop(request):
    loop = request.param()
    yield loop
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()


def heard_within(loop, heard, count):
    give_up_s = time.monotonic() + 10
    while len(heard) < count and time.monotonic() < give_up_s:
        loop.run_until_complete(asyncio.sleep(0.001))


def test_each_song_is_heard_once_with_the_time_it_took(loop):
    canary, heard = Canary(loop), []
    loop.run_until_complete(canary.open())
    for count in (1, 2, 3):
        canary.sing(heard.append)
        heard_within(loop, heard, count)
    canary.close()
    assert all(0 < waited_s < 5 for waited_s in heard)


def test_a_loop_that_stands_still_is_in_the_canarys_time_and_songs_do_not_pile_up(loop):
    canary, heard = Canary(loop), []
    loop.run_until_complete(canary.open())
    canary.sing(heard.append)
    time.sleep(0.05)
    canary.sing(heard.append)  # the first one is still out: this is none
    heard_within(loop, heard, 1)
    loop.run_until_complete(asyncio.sleep(0.02))
    canary.close()
    (waited_s,) = heard
    assert waited_s >= 0.05


def test_a_worker_without_loopback_has_no_canary_and_goes_on(monkeypatch):
    async def refuse(*_arguments, **_options):
        raise OSError("no loopback here")

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_server", refuse)
    loop = asyncio.new_event_loop()  # uvloop's methods cannot be replaced
    canary = Canary(loop)
    loop.run_until_complete(canary.open())
    canary.sing(lambda _waited_s: pytest.fail("nobody can have heard it"))
    canary.close()
    loop.close()


def test_a_closed_canary_sings_no_more(loop):
    canary = Canary(loop)
    loop.run_until_complete(canary.open())
    canary.close()
    canary.sing(lambda _waited_s: pytest.fail("nobody can have heard it"))
    loop.run_until_complete(asyncio.sleep(0.02))
