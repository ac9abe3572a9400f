import pytest

from pipeline.number_text import NumberError, real_number, whole_number


@pytest.mark.parametrize(("text", "number"), [("20", 20), ("-1", -1), ("+7", 7), ("007", 7)])
def test_whole_numbers_as_tools_write_them(text: str, number: int) -> None:
    assert whole_number(text, -1, 100) == number


@pytest.mark.parametrize(
    ("text", "number"), [("7", 7.0), ("7.5", 7.5), (".5", 0.5), ("7.", 7.0), ("1e-4", 1e-4)]
)
def test_real_numbers_as_tools_write_them(text: str, number: float) -> None:
    assert real_number(text, 0, 10) == number


SLOPPY = ["2_0", "\u0662\u0660", "", " 20", "20 ", "0x14", "twenty", "1,5", "--1", "9" * 5000, "\uff12"]


@pytest.mark.parametrize("text", [*SLOPPY, "1.0", "1e1", "-2", "101"])
def test_other_whole_numbers_are_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(NumberError, match=r"is not a whole number from -1 to 100$") as error:
        whole_number(text, -1, 100)
    assert len(str(error.value)) < 120


@pytest.mark.parametrize("text", [*SLOPPY, "nan", "inf", "1e400", "-0.1", "10.1"])
def test_other_real_numbers_are_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(NumberError, match=r"is not a number from 0 to 10$") as error:
        real_number(text, 0, 10)
    assert len(str(error.value)) < 120
