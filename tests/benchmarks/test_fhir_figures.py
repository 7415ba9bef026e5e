"""A refusal is quick: it must not look like an answer, and a run with one must not look like a good run."""

from benchmarks.fhir.driving import figures_of
from benchmarks.fhir.report import Loading, Report, Run, with_part


def test_what_was_refused_counts_in_no_rate() -> None:
    told = {"requests": 100, "duration_us": 1_000_000, "errors": 40, "p50_us": 1, "p95_us": 1, "p99_us": 1}
    found = figures_of(told, 6.0)
    assert (found.rate, found.cpu_ms, found.errors) == (60, 100.0, 40)
    assert figures_of(told | {"errors": 100}, 6.0).rate == 0


def test_a_run_with_errors_names_them() -> None:
    told = {"requests": 9, "duration_us": 1_000_000, "errors": 0, "p50_us": 1, "p95_us": 1, "p99_us": 1}
    good, bad = figures_of(told, 1.0), figures_of(told | {"errors": 2}, 1.0)
    report = Report({}, quick=True)
    report.add(Run("sqlite", 1, 3, Loading(1, 1.0, 1.0, 1), {"search": good}, {"create": bad}, good, 1, 1.0))
    assert report.failures() == ["sqlite, 3 patients, create: 2 of 9 requests"]


def test_one_part_is_written_anew_and_the_rest_stays() -> None:
    text = "# FHIR results\n\n## A\n\none\n\n## B\n\ntwo\n"
    assert with_part(text, ["## A", "", "new", ""]) == "# FHIR results\n\n## A\n\nnew\n\n## B\n\ntwo\n"
    assert with_part(text, ["## C", "", "new", ""]).endswith("two\n## C\n\nnew\n")
