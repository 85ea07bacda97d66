"""The guard against copied examples: what it finds, what it leaves alone, and how quick it is."""

from __future__ import annotations

import json
import random

import pytest

from opto.trainer.leaks.guard import Leak, LeakGuard

NAMES = "Amelia Bruno Chiara Dimitri Esther Farid Greta Hugo Ingrid Jonas Karim Lotte Mateo Nadia Oskar Priya".split()
DEEDS = [
    "returned a cracked teapot to the market stall",
    "asked why the night tram skipped the harbour",
    "wanted the invoice for two violin strings",
    "complained that the greenhouse key was bent",
    "reported a swan asleep on platform nine",
    "changed the date of a glacier tour",
]
EXAMPLES = [
    (
        place,
        f"{NAMES[place % 16]} {DEEDS[place % 6]} and got ticket {7 * place + 1003}.",
        ("urgent", "later")[place % 3 == 0],
    )
    for place in range(48)
]
HONEST = """Sort each message by how soon it must be dealt with. Answer urgent or later, in small letters, and nothing
else. A message that names a danger, a deadline or a stranded person is urgent; returned goods and changed dates can be
dealt with later. Ticket numbers say nothing. Example: 'Paul lost his hat at the fair and got ticket 12.' is later."""


def leaks(values, examples, before=None, **options):
    """What a guard for a single check finds."""
    return LeakGuard(examples, **options).check(values, before)


def demonstrations(chosen):
    """Question and answer, one below the other."""
    return "\n\n".join(f"Q: {x}\nA: {answer}" for _, x, answer in chosen)


def literal(chosen):
    """A dict."""
    return f"KNOWN = { {x: answer for _, x, answer in chosen}!r}"


def as_json(chosen):
    """JSON."""
    return json.dumps([{"x": x, "y": answer} for _, x, answer in chosen])


def code(chosen):
    """Code that looks up the answer."""
    return "\n".join(f"    if x == {x!r}:\n        return {answer!r}" for _, x, answer in chosen)


def shouted(chosen):
    """A table with other capitals, spaces and marks."""
    return "\n".join(f"| {x.upper().replace(' ', '   ')} !! | **{answer}** |" for _, x, answer in chosen)


@pytest.mark.parametrize("manner", [demonstrations, literal, as_json, code, shouted])
def test_pasted_examples_are_found(manner):
    """Each of three examples pasted into an honest prompt is found with its answer, and no other one."""
    chosen = [EXAMPLES[place] for place in (3, 20, 41)]
    found = leaks({"prompt": f"{HONEST}\n{manner(chosen)}\nNow begin."}, EXAMPLES, before={"prompt": HONEST})
    assert [(leak.parameter, leak.place, leak.kind) for leak in found] == [
        ("prompt", place, "pair") for place in (3, 20, 41)
    ]


def test_an_honest_prompt_is_left_alone():
    """Labels in an instruction, and an example of one's own after the same pattern, are no leak."""
    assert leaks({"prompt": HONEST}, EXAMPLES) == []


def test_values_in_lists_and_dicts():
    """A parameter that is a dict or a list is read, too, and infos are searched for texts and numbers."""
    examples = [
        (place, {"q": f"What costs item {place} of shelf {place * 37}?"}, {"price": [place * 1.0 + 400]})
        for place in range(9)
    ]
    found = leaks({"table": {examples[4][1]["q"]: 404}}, examples)
    assert [(leak.place, leak.kind) for leak in found] == [(4, "pair")]


def test_long_answers_and_inputs_by_themselves():
    """A long answer is a leak without its input, and so is an input without its answer; a short answer is none."""
    examples = [
        ("a", "Who wrote the report?", "It was written by the deputy harbour master in spring."),
        ("b", "Why was the old lighthouse at the northern pier torn down last year?", "rust"),
        ("c", "How tall?", "12 metres"),
    ]
    found = leaks({"p": "Say that it was written by the Deputy Harbour-Master, in spring. Rust. 12 metres."}, examples)
    assert [(leak.place, leak.kind) for leak in found] == [("a", "answer")]
    assert str(found[0]) == (
        "p holds the answer of example 'a': 'it was written by the Deputy Harbour-Master, in spring'"
    )
    found = leaks(
        {"p": "If asked why was the old lighthouse at the northern pier torn down last year, think."}, examples
    )
    assert [(leak.place, leak.kind) for leak in found] == [("b", "input")]


def test_a_part_of_an_input_with_its_answer():
    """A part that only one input has counts with its answer nearby, and does not without."""
    examples = [
        (0, "The brass clock in the old observatory stopped on a frosty Tuesday, so what was oiled?", "the pinion"),
        (1, "A ferry to the island was late because the pilot had mislaid a chart; whose was it?", "Marta's"),
    ]
    fragment = "when it mentions that the pilot had mislaid a chart, reply Marta's"
    assert [(leak.place, leak.kind) for leak in leaks({"p": fragment}, examples)] == [(1, "pair")]
    assert leaks({"p": "a story in which the pilot had mislaid a chart, with no answer"}, examples) == []


def test_an_edited_copy():
    """A copied demonstration is found although some of its words were replaced."""
    long = "The committee that met in the town hall on the first Sunday of May voted to plant elms along the canal"
    examples = [("long", long, "nine votes to four"), *EXAMPLES]
    copy = long.replace("town", "city").replace("voted", "decided")
    assert [leak.place for leak in leaks({"p": f"{copy} -> nine votes to four"}, examples)] == ["long"]


def test_short_inputs_count_in_numbers():
    """One short sum with its result may be there by chance; three are a leak."""
    examples = [(place, f"{place} * {place + 3}", place * (place + 3)) for place in range(11, 60)]
    sums = [f"{x} = {result}" for _, x, result in examples]
    assert leaks({"p": f"For example, {sums[5]}."}, examples) == []
    assert [leak.place for leak in leaks({"p": f"{sums[5]}, {sums[9]}, {sums[30]}"}, examples)] == [16, 20, 41]


def test_what_differs_in_symbols_alone():
    """Inputs that are the same but for brackets are told apart by these."""
    draw = random.Random(0)
    inputs = ["Close the brackets in this row of them: " + " ".join(draw.choices("([{<", k=9)) for _ in range(30)]
    examples = [
        (place, x, "".join({"(": ")", "[": "]", "{": "}", "<": ">"}[each] for each in reversed(x.split()[-9:])))
        for place, x in enumerate(inputs)
    ]
    guard = LeakGuard(examples)
    assert guard.check({"p": "Close the brackets in this row of them, from the last to the first."}) == []
    assert [leak.place for leak in guard.check({"p": f"{inputs[7]} -> {examples[7][2]}"})] == [7]


def test_what_was_there_before_does_not_count():
    """An example that the old value held is none of the new one's, unless its answer was added."""
    old = f"{HONEST}\n{demonstrations(EXAMPLES[:1])}\nSee also: {EXAMPLES[5][1]}"
    assert leaks({"p": old + " Be brief."}, EXAMPLES, before={"p": old}) == []
    assert leaks({"p": old}, EXAMPLES, before={"p": old}) == []
    found = leaks({"p": f"{old} {EXAMPLES[5][2]}"}, EXAMPLES, before={"p": old})
    assert [(leak.place, leak.kind) for leak in found] == [(5, "pair")]


def test_what_is_allowed():
    """Parameters that hold demonstrations on purpose are passed over, and so are named labels."""
    value = {"demos": demonstrations(EXAMPLES[:3])}
    assert len(leaks(value, EXAMPLES)) == 3
    assert leaks(value, EXAMPLES, allowed=["demos"]) == []
    intents = [("x", "My card is gone", "lost or stolen card"), ("y", "Where is my money", "transfer not received")]
    prompt = {"p": "Classes: lost or stolen card; transfer not received."}
    assert len(leaks(prompt, intents)) == 2
    assert leaks(prompt, intents, labels=["Lost or stolen card", "transfer not received"]) == []


def test_answers_that_occur_all_over_are_no_leak():
    """An answer that many examples have, or that many inputs mention, is a phrase and no secret."""
    examples = [
        (place, f"Case {place}: is it one of them or none of the above options?", f"v{place}") for place in range(30)
    ]
    examples.append((30, "And this?", "none of the above options"))
    assert leaks({"p": "Say 'none of the above options' if in doubt."}, examples) == []


@pytest.mark.parametrize(
    "written",
    [
        "caf\u00e9 \u2460 stra\u00dfe \uff21\uff22",
        "CAFE\u0301 1 STRASSE ab",
        r"caf\u00e9 1\nstrasse ab",
        "ca\u00adfe 1 strasse AB",
    ],
)
def test_forms_of_characters(written):
    """Accents, compatible forms, invisible signs and escapes make no difference; the excerpt is as it stands."""
    found = leaks({"p": f"Reply: {written}."}, [(0, "Where?", "Caf\u00e9 1 Stra\u00dfe AB")])
    assert found == [Leak("p", 0, "answer", " ".join(written.split()))]


def test_writing_without_spaces():
    """Text without spaces between words is searched sign by sign."""
    height = "\u6771\u4eac\u30bf\u30ef\u30fc\u306f\u4e09\u767e\u4e09\u5341\u4e09\u30e1\u30fc\u30c8\u30eb"
    around = ("\u7b54\u3048\u306f", "\u3067\u3059")
    assert [leak.kind for leak in leaks({"p": height.join(around)}, [(0, "\u4f55", height)])] == ["answer"]
    assert leaks({"p": height[:5].join(around)}, [(0, "\u4f55", height)]) == []


def test_nothing_to_find():
    """No examples, empty texts and values that are no text are no leak."""
    assert leaks({"p": "text"}, []) == []
    assert leaks({"p": "", "q": None, "r": 3, "s": object()}, [(0, "", None), (1, None, ""), (2, "...", "?")]) == []


def test_a_large_set():
    """Of 10,000 examples those that stand in 20,000 characters are found."""
    draw = random.Random(1)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 9))) for _ in range(3000)]
    examples = [
        (place, " ".join(draw.choices(words, k=25)), " ".join(draw.choices(words, k=6))) for place in range(10_000)
    ]
    guard = LeakGuard(examples)
    prompt = " ".join(draw.choices(words, k=3400)) + demonstrations(examples[70:73])
    assert len(prompt) > 20_000
    found = guard.check({"p": prompt})
    assert [leak.place for leak in found] == [70, 71, 72]
