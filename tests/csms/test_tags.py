"""Authorization by the tag table (§4.1, §4.8, §7.2)."""

import pytest

from csms.tags import Place, Tag, TagBook, read_tags
from stations.errors import PlanError
from stations.wire.types import AuthorizationStatus

NOW_S = 1_780_000_000.0  # 2026-05-28
HERE, ELSEWHERE = Place("GU-1", 1), Place("GU-2", 1)


def test_an_open_book_accepts_strangers_and_a_restricted_one_does_not():
    assert TagBook().authorize("X", NOW_S).status == "Accepted"
    assert TagBook(restricted=True).authorize("X", NOW_S).status == "Invalid"


def test_a_known_tag_gets_its_status_parent_and_expiry_in_any_letter_case():  # RPC-10
    book = TagBook([Tag("Badge", AuthorizationStatus.BLOCKED, "FAMILY", "2030-01-01T00:00:00Z")])
    info = book.authorize("bADGE", NOW_S)
    assert (info.status, info.parent_id_tag, info.expiry_date) == (
        "Blocked",
        "FAMILY",
        "2030-01-01T00:00:00Z",
    )


def test_a_tag_expires_at_its_date():  # CACHE-2, seen from the central system
    book = TagBook(
        [Tag("A", expiry_date="2026-01-01T00:00:00Z"), Tag("B", expiry_date="2027-01-01T00:00:00Z")]
    )
    assert book.authorize("A", NOW_S).status == "Expired"
    assert book.authorize("B", NOW_S).status == "Accepted"


def test_a_tag_that_charges_elsewhere_is_concurrent_only_when_asked_for():  # TX-4
    for wanted, expected in ((True, "ConcurrentTx"), (False, "Accepted")):
        book = TagBook(one_transaction_per_tag=wanted)
        book.started("A", 1, HERE)
        assert book.authorize_start("a", ELSEWHERE, NOW_S).status == expected
        assert book.authorize_start("A", HERE, NOW_S).status == "Accepted"  # the same session again
        assert book.authorize("A", NOW_S).status == "Accepted"
        book.stopped("GU-2", 1)  # not theirs to stop
        assert book.authorize_start("A", ELSEWHERE, NOW_S).status == expected
        book.stopped("GU-1", 1)
        assert book.authorize_start("A", ELSEWHERE, NOW_S).status == "Accepted"


def test_a_blocked_tag_stays_blocked_when_it_is_concurrent_too():
    book = TagBook([Tag("A", AuthorizationStatus.BLOCKED)], one_transaction_per_tag=True)
    book.started("A", 1, HERE)
    assert book.authorize_start("A", ELSEWHERE, NOW_S).status == "Blocked"


def test_forgotten_tags_are_strangers():
    book = TagBook([Tag("A", AuthorizationStatus.BLOCKED)])
    assert len(book) == 1
    assert book.forget("a")
    assert not book.forget("a")
    assert book.authorize("A", NOW_S).status == "Accepted"


def test_tags_are_read_from_csv_with_defaults(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_text("id_tag,status,parent_id_tag,expiry_date\nA\nB,Blocked,P,\nC,,,2027-01-01T00:00:00Z\n")
    assert read_tags(path) == [
        Tag("A"),
        Tag("B", AuthorizationStatus.BLOCKED, "P"),
        Tag("C", expiry_date="2027-01-01T00:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tag\nA\n", ":1: columns must be id_tag"),
        ("", ":1: columns must be id_tag"),
        ("id_tag,colour\nA,red\n", "colour"),
        ("id_tag,status\nA,accepted\n", ":2: 'accepted'"),
        ("id_tag\n" + "X" * 21 + "\n", ":2: id_tag"),
        ("id_tag,parent_id_tag\nA,B,C\n", ":2: more values than columns"),
        ("id_tag,expiry_date\nA,tomorrow\n", ":2: not an ISO 8601"),
        ('id_tag\n"A\n', "not a CSV file"),
    ],
)
def test_a_bad_tags_file_is_named_with_its_line(tmp_path, text, message):
    path = tmp_path / "tags.csv"
    path.write_text(text)
    with pytest.raises(PlanError, match=message):
        read_tags(path)


def test_an_absent_or_binary_tags_file_is_bad_input(tmp_path):
    with pytest.raises(PlanError, match="cannot read"):
        read_tags(tmp_path / "nowhere.csv")
    (tmp_path / "tags.csv").write_bytes(b"id_tag\n\xff\xfe\n")
    with pytest.raises(PlanError, match="not a CSV file"):
        read_tags(tmp_path / "tags.csv")
