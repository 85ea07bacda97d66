"""A sample of the fuzzing that `make stress` does."""

from .fuzzing import fuzz


def test_damaged_files_and_answers_are_refused_with_errors_of_opto(tmp_path):
    """Every loader and every reader of answers takes a few damaged examples."""
    fuzzer = fuzz(tmp_path / "files", count=6)
    assert not fuzzer.failures, fuzzer.table()
    assert len(fuzzer.examples) >= 20
    assert all(count >= 6 for count in fuzzer.examples.values())
