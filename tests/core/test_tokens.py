"""Local list and authorization cache (AUTH-1 … AUTH-5, CACHE-1 … CACHE-3, LIST-1, LL-1 … LL-6, LV-1)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stations.core.tokens import CACHE_SIZE, Entry, Source, Tokens, Verdict, decide
from stations.wire.messages import AuthorizationData, IdTagInfo, SendLocalList
from stations.wire.types import AuthorizationStatus, UpdateStatus, UpdateType, format_datetime

Status = AuthorizationStatus
NOW = 1_800_000_000.0
BOTH = {"list_enabled": True, "cache_enabled": True}


def info(status=Status.ACCEPTED, expires_in_s=None, parent=None):
    expiry = None if expires_in_s is None else format_datetime(NOW + expires_in_s)
    return IdTagInfo(status=status, expiry_date=expiry, parent_id_tag=parent)


def entry(tag, status=Status.ACCEPTED, **kwargs):
    return AuthorizationData(id_tag=tag, id_tag_info=info(status, **kwargs))


def send(
    tokens, version, entries=None, kind=UpdateType.FULL, *, enabled=True, max_length=500, max_entries=500
):
    request = SendLocalList(list_version=version, local_authorization_list=entries, update_type=kind)
    return tokens.send_list(request, enabled=enabled, max_length=max_length, max_entries=max_entries)


def listed(*tags):
    tokens = Tokens()
    assert send(tokens, 5, [entry(tag) for tag in tags]) is UpdateStatus.ACCEPTED
    return tokens


# ---- decisions --------------------------------------------------------------------------------------

VALID = Entry(Status.ACCEPTED, None, Source.LIST)
BLOCKED = Entry(Status.BLOCKED, None, Source.CACHE)


KEYS = ("online", "local_pre_authorize", "local_authorize_offline", "allow_offline_tx_for_unknown_id")


@pytest.mark.parametrize(
    ("known", "flags", "verdict"),
    [
        # AUTH-2: LocalPreAuthorize starts valid tags without asking, and only those.
        (VALID, (True, True, False, False), Verdict.START),
        (VALID, (True, False, True, True), Verdict.ASK),
        (None, (True, True, True, True), Verdict.ASK),
        # AUTH-3: online, a blocked or expired entry is asked about.
        (BLOCKED, (True, True, True, True), Verdict.ASK),
        # AUTH-4: offline.
        (VALID, (False, False, True, False), Verdict.START),
        (BLOCKED, (False, True, True, True), Verdict.REFUSE),
        (None, (False, True, True, True), Verdict.START),
        (None, (False, True, True, False), Verdict.REFUSE),
        (VALID, (False, True, False, True), Verdict.REFUSE),
        (None, (False, True, False, True), Verdict.REFUSE),
    ],
)
def test_who_may_start(known, flags, verdict):
    """AUTH-2, AUTH-3, AUTH-4."""
    assert decide(known, **dict(zip(KEYS, flags, strict=True))) is verdict


# ---- looking up -------------------------------------------------------------------------------------


def test_the_list_is_consulted_before_the_cache():
    """AUTH-1, AUTH-5: same tag in both, the list counts; the cache alone counts when the list is off."""
    tokens = Tokens()
    tokens.remember("TAG", info(Status.BLOCKED), NOW, **BOTH)
    send(tokens, 1, [entry("TAG", parent="P")])
    assert tokens.look_up("TAG", NOW, **BOTH) == Entry(Status.ACCEPTED, "P", Source.LIST)
    cached = tokens.look_up("TAG", NOW, list_enabled=False, cache_enabled=True)
    assert cached == Entry(Status.BLOCKED, None, Source.CACHE)
    assert tokens.look_up("TAG", NOW, list_enabled=False, cache_enabled=False) is None


def test_tags_compare_case_insensitively():
    """RPC-10: CiString; a parent id is kept as received."""
    tokens = listed("AbC")
    tokens.remember("xYz", info(parent="GrouP"), NOW, **BOTH)
    assert tokens.look_up("aBc", NOW, **BOTH).source is Source.LIST
    assert tokens.look_up("XYZ", NOW, **BOTH).parent_id_tag == "GrouP"


def test_entries_expire_by_time():
    """CACHE-2, AUTH-3: past expiryDate an accepted entry reads Expired; a blocked one stays Blocked."""
    tokens = Tokens()
    send(tokens, 1, [entry("L", expires_in_s=60)])
    tokens.remember("C", info(expires_in_s=60), NOW, **BOTH)
    tokens.remember("B", info(Status.BLOCKED, expires_in_s=60), NOW, **BOTH)
    assert tokens.look_up("L", NOW + 59.9, **BOTH).valid
    for tag, status in (("L", Status.EXPIRED), ("C", Status.EXPIRED), ("B", Status.BLOCKED)):
        assert tokens.look_up(tag, NOW + 60, **BOTH).status is status
        assert not tokens.look_up(tag, NOW + 60, **BOTH).valid


# ---- cache ------------------------------------------------------------------------------------------


def test_the_cache_takes_valid_and_invalid_answers_and_the_last_counts():
    """CACHE-1."""
    tokens = Tokens()
    for status in (Status.ACCEPTED, Status.CONCURRENT_TX, Status.INVALID):
        tokens.remember("T", info(status), NOW, **BOTH)
        assert tokens.look_up("t", NOW, **BOTH).status is status
    assert tokens.cache_length == 1


def test_listed_tags_stay_out_of_the_cache():
    """AUTH-5, CACHE-1."""
    tokens = listed("T")
    tokens.remember("t", info(), NOW, **BOTH)
    assert tokens.cache_length == 0
    tokens.remember("t", info(), NOW, list_enabled=False, cache_enabled=True)
    assert tokens.cache_length == 1


def test_a_disabled_cache_is_neither_filled_nor_read():
    """CACHE-3."""
    tokens = Tokens()
    assert not tokens.remember("T", info(), NOW, list_enabled=True, cache_enabled=False)
    assert tokens.cache_length == 0
    tokens.remember("T", info(), NOW, **BOTH)
    assert tokens.look_up("T", NOW, list_enabled=True, cache_enabled=False) is None


def test_clear_cache_empties_it_and_leaves_the_list():
    """CACHE-3."""
    tokens = listed("L")
    tokens.remember("C", info(), NOW, **BOTH)
    tokens.clear_cache()
    assert tokens.look_up("C", NOW, **BOTH) is None
    assert tokens.look_up("L", NOW, **BOTH) is not None


def test_a_full_cache_drops_invalid_entries_first_and_then_the_oldest():
    """CACHE-2."""
    tokens = Tokens()
    for n in range(CACHE_SIZE):
        invalid = {7: info(Status.BLOCKED), 9: info(expires_in_s=10)}
        tokens.remember(f"T{n}", invalid.get(n, info()), NOW, **BOTH)
    tokens.remember("T0", info(), NOW, **BOTH)  # refreshed: no longer the oldest
    dropped = []
    for n in range(4):
        before = {f"T{k}" for k in range(CACHE_SIZE) if tokens.look_up(f"T{k}", NOW, **BOTH)}
        tokens.remember(f"N{n}", info(), NOW + 20, **BOTH)
        after = {f"T{k}" for k in range(CACHE_SIZE) if tokens.look_up(f"T{k}", NOW, **BOTH)}
        dropped += sorted(before - after)
        assert tokens.cache_length == CACHE_SIZE
    assert dropped == ["T7", "T9", "T1", "T2"]


def test_an_answer_against_the_list_is_a_conflict_and_changes_nothing():
    """LIST-1: reported only when the list accepts and the central system does not."""
    tokens = Tokens()
    send(tokens, 1, [entry("GOOD"), entry("BAD", Status.BLOCKED), entry("OLD", expires_in_s=-1)])
    assert tokens.remember("good", info(Status.INVALID), NOW, **BOTH)
    assert not tokens.remember("good", info(), NOW, **BOTH)
    assert not tokens.remember("BAD", info(Status.INVALID), NOW, **BOTH)
    assert not tokens.remember("OLD", info(Status.EXPIRED), NOW, **BOTH)
    assert not tokens.remember("good", info(Status.INVALID), NOW, list_enabled=False, cache_enabled=True)
    assert tokens.look_up("GOOD", NOW, **BOTH).valid


# ---- local list -------------------------------------------------------------------------------------


def test_a_full_update_replaces_and_may_go_down_in_version():
    """LL-1, LL-2."""
    tokens = listed("A", "B")
    assert send(tokens, 2, [entry("C")]) is UpdateStatus.ACCEPTED
    assert [bool(tokens.look_up(tag, NOW, **BOTH)) for tag in "ABC"] == [False, False, True]
    assert tokens.list_version(enabled=True) == 2


@pytest.mark.parametrize("entries", [None, []])
def test_a_full_update_without_entries_clears(entries):
    """LL-1, LV-1: an empty list has version 0."""
    tokens = listed("A")
    assert send(tokens, 9, entries) is UpdateStatus.ACCEPTED
    assert tokens.list_length == 0
    assert tokens.list_version(enabled=True) == 0


def test_a_differential_update_adds_changes_and_deletes():
    """LL-1."""
    tokens = listed("A", "B")
    changes = [
        AuthorizationData(id_tag="a"),
        entry("b", Status.BLOCKED),
        entry("C"),
        AuthorizationData(id_tag="Z"),
    ]
    assert send(tokens, 6, changes, UpdateType.DIFFERENTIAL) is UpdateStatus.ACCEPTED
    assert tokens.look_up("A", NOW, **BOTH) is None
    assert tokens.look_up("B", NOW, **BOTH).status is Status.BLOCKED
    assert tokens.look_up("C", NOW, **BOTH).valid
    assert tokens.list_version(enabled=True) == 6


def test_an_empty_differential_update_only_moves_the_version():
    """LL-1."""
    tokens = listed("A")
    assert send(tokens, 6, None, UpdateType.DIFFERENTIAL) is UpdateStatus.ACCEPTED
    assert (tokens.list_length, tokens.list_version(enabled=True)) == (1, 6)


@pytest.mark.parametrize("version", [4, 5])
def test_an_old_differential_update_is_refused(version):
    """LL-2 (TC_043_2: list at 5, differential 4)."""
    tokens = listed("A")
    assert send(tokens, version, [entry("B")], UpdateType.DIFFERENTIAL) is UpdateStatus.VERSION_MISMATCH
    assert (tokens.list_length, tokens.list_version(enabled=True)) == (1, 5)


@pytest.mark.parametrize(
    ("version", "entries", "kind"),
    [
        (0, [entry("B")], UpdateType.FULL),
        (-1, None, UpdateType.FULL),
        (0, None, UpdateType.DIFFERENTIAL),
        (-1, [entry("B")], UpdateType.DIFFERENTIAL),
    ],
)
def test_versions_zero_and_minus_one_are_not_allowed(version, entries, kind):
    """LL-3."""
    tokens = listed("A")
    assert send(tokens, version, entries, kind) is UpdateStatus.FAILED
    assert tokens.list_version(enabled=True) == 5


def test_full_version_zero_without_entries_clears():
    """LL-3, D."""
    tokens = listed("A")
    assert send(tokens, 0) is UpdateStatus.ACCEPTED
    assert (tokens.list_length, tokens.list_version(enabled=True)) == (0, 0)


@pytest.mark.parametrize(
    ("entries", "kind", "limits"),
    [
        ([entry("B"), AuthorizationData(id_tag="C")], UpdateType.FULL, {}),
        ([entry("B"), entry("b")], UpdateType.FULL, {}),
        ([entry("B"), entry("C")], UpdateType.FULL, {"max_entries": 1}),
        ([entry("B")], UpdateType.DIFFERENTIAL, {"max_length": 1}),
    ],
)
def test_a_bad_update_changes_nothing(entries, kind, limits):
    """LL-4: missing idTagInfo in Full, duplicate, too many entries at once, too long a list."""
    tokens = listed("A")
    assert send(tokens, 6, entries, kind, **limits) is UpdateStatus.FAILED
    assert tokens.look_up("A", NOW, **BOTH) is not None
    assert (tokens.list_length, tokens.list_version(enabled=True)) == (1, 5)


def test_while_the_list_is_disabled_it_is_not_supported():
    """LL-5, LV-1."""
    tokens = Tokens()
    assert send(tokens, 1, [entry("A")], enabled=False) is UpdateStatus.NOT_SUPPORTED
    assert tokens.list_length == 0
    assert tokens.list_version(enabled=False) == -1
    assert tokens.list_version(enabled=True) == 0


# ---- memory -----------------------------------------------------------------------------------------


def test_a_fresh_station_has_nothing_to_keep():
    tokens = Tokens()
    assert tokens.snapshot() is None
    tokens.restore(None)
    assert tokens.look_up("A", NOW, **BOTH) is None


statuses = st.sampled_from(Status)
tags = st.text("abAB12", min_size=1, max_size=3)
facts = st.builds(
    info, statuses, st.none() | st.integers(-100, 100), st.none() | st.text("pq", min_size=1, max_size=2)
)


@given(
    st.lists(st.tuples(tags, facts), unique_by=lambda pair: pair[0].casefold()),
    st.lists(st.tuples(tags, facts)),
    st.integers(1, 99),
)
def test_list_and_cache_survive_a_power_cut(list_entries, cache_entries, version):
    """CACHE-2, LL-6, BOOT-11: through the bytes of a store and back, every look-up answers the same."""
    tokens = Tokens()
    send(tokens, version, [AuthorizationData(id_tag=tag, id_tag_info=facts) for tag, facts in list_entries])
    for tag, tag_facts in cache_entries:
        tokens.remember(tag, tag_facts, NOW, **BOTH)
    restored = Tokens()
    restored.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(tokens.snapshot())))
    for tag, _ in [*list_entries, *cache_entries]:
        for flags in (BOTH, {"list_enabled": False, "cache_enabled": True}):
            assert restored.look_up(tag, NOW, **flags) == tokens.look_up(tag, NOW, **flags)
    assert restored.list_version(enabled=True) == tokens.list_version(enabled=True)
    assert restored.snapshot() == tokens.snapshot()
