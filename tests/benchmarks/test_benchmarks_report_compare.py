"""Comparisons of records, against SciPy's bootstrap."""

from dataclasses import replace

import numpy as np
import pytest
import report_records as made
from scipy import stats

from benchmarks.reports import compare
from benchmarks.reports.compare import ratio
from benchmarks.reports.comparison import comparison_table
from edge_sr.errors import UserError


def pairs(a, b):
    found = compare.compare(made.record(*a), made.record(*b))
    return [(pair.scope, pair.verdict) for pair in found.pairs]


@pytest.mark.parametrize("count", [20, 60, 500])
def test_intervals_of_independent_samples_are_as_scipys(count):
    a, b = (np.array(made.samples(2.0, count, seed, 0.1)) for seed in (1, 2))
    expected = stats.bootstrap(
        (a, b), lambda x, y, axis: np.median(x, axis) / np.median(y, axis), n_resamples=2000,
        method="percentile", random_state=0,
    ).confidence_interval  # fmt: skip
    found = ratio(a, b)
    assert found.value == pytest.approx(np.median(a) / np.median(b), rel=1e-12)
    width = expected.high - expected.low
    assert found.high - found.low == pytest.approx(width, rel=0.35)
    assert found.low == pytest.approx(expected.low, abs=0.3 * width)
    assert found.high == pytest.approx(expected.high, abs=0.3 * width)


def test_intervals_have_their_confidence_level():
    generator = np.random.default_rng(0)
    drawn = generator.lognormal(14, 0.1, (2, 100, 40))
    held = sum(ratio(a, b).noise for a, b in zip(*drawn, strict=True))
    assert stats.binomtest(held, 100, 0.95).pvalue > 0.001


def test_correlated_samples_give_wider_intervals():
    steps = np.random.default_rng(0).normal(0, 0.02, 400)
    slow = np.empty(400)
    slow[0] = 0
    for index in range(1, 400):
        slow[index] = 0.9 * slow[index - 1] + steps[index]
    walk, other = 1e6 * np.exp(slow), made.samples(1.0, 400, 3, 0.001)
    shuffled = np.random.default_rng(1).permutation(walk)
    dependent, independent = ratio(walk, other), ratio(shuffled, other)
    assert dependent.high - dependent.low > 1.5 * (independent.high - independent.low)


def test_a_real_difference_and_noise():
    of = made.case()
    assert pairs([made.timed(of, 2.0)], [made.timed(of, 1.0)]) == [("run", "B faster")]
    assert pairs([made.timed(of, 1.0)], [made.timed(of, 1.1)]) == [("run", "B slower")]
    assert pairs([made.timed(of, 1.0, seed=1)], [made.timed(of, 1.0, seed=2)]) == [("run", "noise")]
    few = "noise: processes vary by 5%"
    assert pairs([made.timed(of, 1.0)], [made.timed(of, 1.03)]) == [("run", few)]
    assert ratio([7] * 20, [7] * 20).noise


def test_few_samples_give_no_verdict():
    found = ratio([1] * 9, [100] * 50)
    assert found.noise
    assert found.doubt == "too few samples"
    few = [made.timed(made.case(), 1.0, count=9)]
    assert pairs(few, few) == [("run", found.doubt)]
    assert found.interval == "fewer than 10 samples"


def test_flags_are_part_of_the_verdict():
    of = made.case()
    noisy = made.timed(of, 2.0, marks=("noisy", "throttled"))
    assert pairs([noisy], [made.timed(of, 1.0)]) == [("run", "B faster; A noisy; A throttled")]


def test_wrong_and_missing_results_are_not_compared():
    of = made.case()
    wrong = made.timed(of, 1.0, right=False, marks=("wrong",))
    assert pairs([made.timed(of, 2.0)], [wrong]) == [(None, "wrong output in B")]
    none = made.missing(of)
    assert pairs([none], [made.timed(of, 2.0)]) == [(None, "not measured in A")]
    assert pairs([none], [none]) == [(None, "not measured in A and B")]


def test_every_scope_is_compared():
    of = made.case()
    a = made.timed(of, 2.0, more=(("end-to-end", 3.0),))
    b = made.timed(of, 1.0, more=(("end-to-end", 4.0),))
    assert pairs([a], [b]) == [("run", "B faster"), ("end-to-end", "B slower")]


def test_counted_instructions_have_no_noise():
    of = made.case(board="mps2-an386")
    a, b = made.emulated(of, 100), made.emulated(of, 99)
    ((_, same),) = pairs([a], [a])
    ((_, better),) = pairs([a], [b])
    assert same == "equal; A emulated; B emulated"
    assert better.startswith("B faster (counted exactly)")


def test_other_files_and_devices_are_barriers():
    of = made.case()
    other = replace(of, network=replace(of.network, artifact=made.case("x").network.artifact))
    a = made.record(made.timed(of, 1.0))
    b = made.record(made.timed(other, 1.0), device=replace(made.DEVICE, cpu="another", gpu="one"))
    found = compare.compare(a, b)
    said = " ".join(found.barriers)
    assert "the device's cpu is 'a CPU' in A and 'another' in B" in said
    assert "the device's gpu is None in A and 'one' in B" in said
    assert f"the file of {of.key} is" in said
    assert compare.compare(a, a).barriers == ()


def test_other_differences_are_noted():
    shared, left, right = (made.timed(made.case(name), 1.0) for name in ("a", "b", "c"))
    a = made.record(shared, left, planned=3)
    b = made.record(shared, right, software=replace(made.SOFTWARE, packages={"numpy": "1"}))
    said = " ".join(compare.compare(a, b).notes)
    for due in ("A is partial: 2 of 3 cases", "packages", "only A has b ", "only B has c "):
        assert due in said


def test_records_without_a_common_case_are_refused():
    a, b = (made.record(made.timed(made.case(name), 1.0)) for name in ("a", "b"))
    with pytest.raises(UserError, match="no case in common"):
        compare.compare(a, b)
    twice = made.record(*a.results, *a.results)
    with pytest.raises(UserError, match="record A holds a case twice"):
        compare.compare(twice, b)


def test_the_table_of_a_comparison():
    of = made.case()
    a, b = made.timed(of, 2.0), made.timed(of, 1.0, seed=1)
    (row,) = comparison_table(compare.compare(made.record(a), made.record(b))).rows
    medians = [np.median(result.timings[0].samples_ns) for result in (a, b)]
    assert row.cells[0] == of.key
    assert row.cells[3] == f"{medians[0] / medians[1]:.3f}x"
    assert row.cells[5] == "B faster"


def test_other_kernels_are_noted():
    of = made.timed(made.case(), 1.0)
    one, other = (made.record(replace(of, kernels=name)) for name in ("avx2", "portable"))
    notes = compare.compare(one, other).notes
    assert notes == ("the engine's kernels of 1 case are avx2 in A and portable in B",)
    assert compare.compare(one, one).notes == ()
