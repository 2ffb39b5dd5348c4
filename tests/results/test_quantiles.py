import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from results.analysis import quantiles
from results.analysis.quantiles import grouped, spreads
from results.histogram import MAX_RELATIVE_ERROR, Histogram, exact_quantile

rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 2**33)), min_size=1, max_size=120
)
WANTED = (0.5, 0.95, 0.999)


def batches_of(data, size):
    def batches():
        for start in range(0, len(data), size):
            names, numbers, values = zip(*data[start : start + size], strict=True)
            yield pa.record_batch(
                {
                    "name": pa.array(names).dictionary_encode(),
                    "number": pa.array(numbers, pa.uint32()),
                    "v": values,
                }
            )

    return batches


def value(batch):
    return batch.column("v").to_numpy().astype(np.int64)


def by_hand(data):
    groups = {}
    for name, number, v in data:
        groups.setdefault((name, number), []).append(v)
    return {group: np.array(values) for group, values in groups.items()}


@given(rows, st.integers(1, 50))
def test_percentiles_by_group_are_exact_whatever_the_batches(data, size):
    found = spreads(batches_of(data, size), ["name", "number"], value, exact=WANTED)
    expected = by_hand(data)
    assert found.keys() == expected.keys()
    for group, values in expected.items():
        spread = found[group]
        assert [spread.quantile_us(q) for q in WANTED] == [exact_quantile(values, q) for q in WANTED]
        assert (spread.count, spread.largest, spread.total) == (len(values), values.max(), values.sum())
        assert spread.histogram() == Histogram.of(values)


@given(rows, st.integers(1, 50))
def test_above_the_stated_size_percentiles_are_within_the_stated_error(data, size):
    found = spreads(batches_of(data, size), ["name"], value, exact=WANTED, exact_calls=0)
    for name in {d[0] for d in data}:
        values = np.array([d[2] for d in data if d[0] == name])
        for quantile in WANTED:
            exact = exact_quantile(values, quantile)
            assert abs(found[name,].quantile_us(quantile) - exact) <= exact * MAX_RELATIVE_ERROR


def test_many_groups_and_merges_give_the_same_as_one_pass(monkeypatch):
    """Both ways of counting, dense and sorted, and merging now and then."""
    luck = np.random.default_rng(3)
    data = [
        ("a", int(n), int(v))
        for n, v in zip(luck.integers(0, 500, 5_000), luck.integers(0, 9_000, 5_000), strict=True)
    ]
    whole = spreads(batches_of(data, 700), ["number"], value, exact=WANTED)
    monkeypatch.setattr(quantiles, "_DENSE_KEYS", 100)
    pieces = spreads(batches_of(data, 700), ["number"], value, exact=WANTED)
    assert {g: s.exact for g, s in whole.items()} == {g: s.exact for g, s in pieces.items()}
    assert all(pieces[g].histogram() == s.histogram() for g, s in whole.items())


def test_no_columns_make_one_group():
    batch = next(batches_of([("a", 1, 5), ("b", 2, 6)], 9)())
    assert grouped(batch, [])[0] == [()]
    assert spreads(batches_of([("a", 1, 5)], 1), [], value)[()].mean_us == 5


def test_nothing_gives_nothing():
    assert spreads(lambda: iter(()), ["name"], value, exact=WANTED) == {}
