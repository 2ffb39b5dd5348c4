"""One exit code leaves the process; the precedence is C10's."""

import pytest

from engine.exit_codes import MEANING, PRECEDENCE, ExitCode, decisive


def test_without_a_reason_to_fail_a_run_passes():
    assert decisive([]) is ExitCode.PASS


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({1, 3}, 1),
        ({3, 4, 1}, 4),
        ({4, 5}, 5),
        ({2, 5, 4, 1, 3}, 2),
        ({0, 3}, 3),
        ({6, 1}, 6),
        ({130, 5}, 130),
        ({70, 2}, 70),
    ],
)
def test_the_weightiest_code_wins(codes, expected):
    assert decisive(map(ExitCode, codes)) == expected


def test_every_code_has_a_rank_and_a_meaning():
    assert set(PRECEDENCE) == set(ExitCode) == set(MEANING)
