"""Rates from counters."""

from csms.statistics import WINDOW_S, Rates, Statistics


def test_rates_are_taken_over_the_last_seconds_only():
    statistics, rates = Statistics(0.0), Rates()
    assert rates.per_second() == (0.0, 0.0)
    for second in range(100):
        rates.tick(float(second), statistics)
        statistics.messages_in += 50 if second < 80 else 10
        statistics.messages_out += 3
    assert rates.per_second() == (10.0, 3.0)
    assert WINDOW_S < 19


def test_errors_and_commands_are_counted_by_name():
    statistics = Statistics(0.0)
    statistics.count_error("GenericError")
    statistics.count_error("GenericError")
    statistics.count_command("ok")
    assert statistics.errors_sent == {"GenericError": 2}
    assert statistics.commands == {"ok": 1}
