"""Names of the public contract."""

import logging

from opto.optimizers import optoprime_v2
from opto.optimizers.utils import extract_xml_like_data, print_color, truncate_expression


def test_print_color(capsys, caplog):
    """Known colors color, unknown ones are harmless, and a logger gets the plain message."""
    with caplog.at_level(logging.INFO):
        print_color("hello", "green", logging.getLogger("x"))
    print_color("plain", "no such color")
    assert capsys.readouterr().out == "\033[32mhello\033[0m\nplain\n"
    assert caplog.messages == ["hello"]


def test_truncate_expression():
    """Short values stay; long ones keep head and tail, and say how much is missing."""
    assert truncate_expression([1, 2], 10) == "[1, 2]"
    cut = truncate_expression("a" * 50 + "z" * 50, 40)
    assert cut.startswith("a" * 30)
    assert cut.endswith("z" * 10)
    assert "60 characters" in cut


def test_the_same_function_under_both_names():
    """The contract names one function in two modules."""
    assert optoprime_v2.extract_xml_like_data is extract_xml_like_data
