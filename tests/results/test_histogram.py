import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.histogram import (
    BINS,
    MAX_RELATIVE_ERROR,
    Histogram,
    bin_of,
    exact_quantile,
    lower_bound_us,
    middle_us,
    rank_of,
)

values = st.lists(st.integers(0, 3 * (2**32 - 1)), min_size=1, max_size=200).map(np.array)
quantiles = st.sampled_from([0.0, 0.01, 0.5, 0.95, 0.99, 0.999, 1.0]) | st.floats(0, 1)


@given(values)
def test_the_middle_of_a_bin_is_within_the_stated_error_of_every_value_in_it(data):
    error = np.abs(middle_us(bin_of(data)) - data)
    assert (error <= data * MAX_RELATIVE_ERROR).all()


@given(values)
def test_a_value_lies_within_the_bounds_of_its_bin(data):
    bins = bin_of(data)
    assert (lower_bound_us(bins) <= data).all()
    assert (data < lower_bound_us(bins + 1)).all()


def test_bins_begin_where_their_lower_bound_says_and_grow_without_gap():
    bins = np.arange(BINS)
    assert (bin_of(lower_bound_us(bins)) == bins).all()
    assert (np.diff(lower_bound_us(bins)) > 0).all()


def test_values_beyond_the_last_bin_are_counted_in_it():
    assert bin_of([2**60]).tolist() == [BINS - 1]


@given(values, values)
def test_merged_histograms_equal_the_histogram_of_merged_data(one, other):
    assert Histogram.of(one) + Histogram.of(other) == Histogram.of(np.concatenate([one, other]))
    added = Histogram.of(one)
    added.add(other)
    assert added == Histogram.of(one) + Histogram.of(other)


@given(values)
def test_sparse_pairs_give_the_same_histogram(data):
    bins = bin_of(data)
    assert Histogram.from_sparse(bins, np.ones(len(bins))) == Histogram.of(data)


@given(values, quantiles)
def test_a_quantile_of_the_histogram_is_within_the_stated_error_of_the_exact_one(data, quantile):
    exact = exact_quantile(data, quantile)
    assert abs(Histogram.of(data).quantile_us(quantile) - exact) <= exact * MAX_RELATIVE_ERROR


@given(values, quantiles)
def test_the_exact_quantile_is_the_value_at_its_nearest_rank(data, quantile):
    assert exact_quantile(data, quantile) == sorted(data)[rank_of(quantile, len(data)) - 1]


@pytest.mark.parametrize(
    ("quantile", "count", "rank"),
    [
        (0.5, 4, 2),
        (0.5, 5, 3),
        (0.99, 100, 99),
        (0.07, 100, 7),
        (0.999, 1_000_000, 999_000),
        (0, 9, 1),
        (1, 9, 9),
    ],
)
def test_ranks_are_whole_numbers_where_the_product_is(quantile, count, rank):
    assert rank_of(quantile, count) == rank


def test_there_is_no_quantile_of_nothing_nor_outside_0_to_1():
    assert Histogram().quantile_us(0.5) is None
    assert exact_quantile(np.array([], dtype=int), 0.5) is None
    assert Histogram().count == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        rank_of(99, 10)
