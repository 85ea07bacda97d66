"""What differs between a request and the nearest recorded one."""

from opto.llm.difference import nearest, request_text, unified_difference


def test_request_is_shown_as_it_reads():
    """Options first, then each message under its role."""
    data = {"messages": [{"role": "user", "content": "a\nb", "name": "Ada"}], "options": {"temperature": 0}}
    assert request_text(data) == 'options: {"temperature": 0}\n[user] {"name": "Ada"}\na\nb'


def test_nearest_shares_most_words():
    """The nearest text is the one with the fewest words more and less."""
    texts = ["the cat sat", "the dog sat on the mat and slept", "unrelated words here"]
    assert nearest("the dog sat on the mat", texts) == texts[1]


def test_order_of_lines_decides_between_equal_words():
    """Of two texts with the same words the one with the same order is nearer."""
    assert nearest("a\nb\nc\nd", ["d\nc\nb\na", "a\nb\nd\nc"]) == "a\nb\nd\nc"


def test_nothing_is_near_nothing():
    """Without candidates there is none."""
    assert nearest("text", []) is None


def test_difference_names_the_changed_line_only():
    """Equal lines far from the change do not show."""
    recorded = "\n".join(f"line {number}" for number in range(100))
    shown = unified_difference(recorded, recorded.replace("line 50", "line fifty"))
    assert "-line 50" in shown
    assert "+line fifty" in shown
    assert len(shown.splitlines()) < 12


def test_difference_is_bounded():
    """However much differs, few and short lines are shown, and how many are not."""
    recorded, asked = "\n".join(map(str, range(1000))), "x" * 100_000
    shown = unified_difference(recorded, asked, most_lines=20).splitlines()
    assert len(shown) == 23
    assert "more lines" in shown[-1]
    assert max(map(len, shown)) <= 161


def test_difference_in_a_long_line_is_local():
    """A long line is broken, so that a changed word does not show the whole of it."""
    recorded = "word " * 2000
    asked = recorded[:5000] + "WORD" + recorded[5004:]
    assert len(unified_difference(recorded, asked)) < 1500
