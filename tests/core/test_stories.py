"""One station through random lives in virtual time: no rule is broken and no transaction is lost.

`benchmarks/stories.py` does the same for as long as one likes.
"""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.story import live, stories

UNHURRIED = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],  # explaining a story takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],  # long lives are meant
)


@settings(UNHURRIED, max_examples=300)
@given(stories(20, 60))
def test_whatever_happens_no_rule_is_broken_and_every_transaction_is_accounted_for(story):
    """RPC-3, RPC-9, BOOT-1, BOOT-6, BOOT-7, Q-1, Q-3, Q-4, Q-5, TX-8, ST-1, MV-5: by the inspector."""
    live(*story)


@pytest.mark.parametrize("part", range(4))
def test_a_few_steps_in_any_order_leave_nothing_behind(part):
    """The same rules in many short lives: what goes wrong, goes wrong within a few steps."""

    @settings(UNHURRIED, max_examples=500)
    @given(stories(1, 9), st.just(part))
    def lives(story, _part):
        live(*story, patience_s=900.0)

    lives()
