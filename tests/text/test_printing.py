"""Tables of numbers as text."""

from skfme._text.printing import WIDTH, text_table

HEADER = ["effect", "coef", "low", "high", "P", "[interval", "]", "equivalent"]
NUMBERS = ["-0.07781", "-0.08000", "0.08000", "1.082e-12", "-0.1054", "-0.05025", "no"]


def test_a_long_name_is_broken_between_words():
    name = "one of the longer steps " * 6
    lines = text_table(["effect", "n"], [[name, "3"]]).splitlines()
    assert all(len(line) <= WIDTH for line in lines)
    assert " ".join(lines[1:]).replace(" 3 ", " ").split() == name.split()


def test_a_word_that_has_no_room_beside_stands_above_its_numbers():
    name = "age +5 | rate_of_marriage=very_good"
    lines = text_table(HEADER, [[name, *NUMBERS]]).splitlines()
    assert lines[1] == name
    assert lines[2].split() == NUMBERS
    ends = [line.rfind(mark) for line, mark in ((lines[0], "P"), (lines[2], "-12"))]
    assert ends[0] == ends[1] + 2
    assert all(len(line) <= WIDTH for line in lines)
