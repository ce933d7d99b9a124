"""The benchmark of simulated studies runs, and judges as it says."""

import pytest

from benchmarks.studies import STUDIES, Figure


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.filterwarnings("ignore:The two-way cluster covariance")
def test_every_study_holds_in_few_runs(name):
    study = STUDIES[name]
    figures = study.figures(share=50 / study.runs)
    assert [figure.name for figure in figures] == list(study.wanted)
    assert all(figure.holds for figure in figures), "\n".join(map(str, figures))


def test_a_figure_holds_within_four_errors_of_its_range():
    assert Figure("size", 0.079, 0.005, 0.04, 0.06).holds
    assert not Figure("size", 0.081, 0.005, 0.04, 0.06).holds
    assert not Figure("size", 0.019, 0.005, 0.04, 0.06).holds
    assert "MISSED" in str(Figure("size", 0.2, 0.005, 0.04, 0.06))
