import pytest

from pipeline.reports.run.page import first_sentence


@pytest.mark.parametrize(
    ("comment", "sentence"),
    [
        ("Sampling steps. More: cleaner, slower.", "Sampling steps"),
        ("Min-SNR weighting (Hang et al. 2023, arXiv 2303.09556): 5 is usual. null: off.",
         "Min-SNR weighting (Hang et al. 2023, arXiv 2303.09556): 5 is usual"),
        ("A path, or a list (.zip, .tar)", "A path, or a list (.zip, .tar)"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_comments_first_sentence(comment: str, sentence: str) -> None:
    assert first_sentence(comment) == sentence
