"""Several proposals driven as one."""

import pytest

from opto.optimizers.drivers import Request, run, together


def asking(name, rounds):
    """Asks `rounds` times, and returns the answers."""
    answers = []
    for number in range(rounds):
        [reply] = yield [Request([{"role": "user", "content": f"{name}{number}"}])]
        answers.append(reply.text)
    return answers


def echo(messages, **options):
    """Answers with the question."""
    return messages[0]["content"]


def driven(proposal, sizes):
    """Run a proposal and note how many requests went out at a time."""
    requests = next(proposal)
    from opto.llm import as_model
    from opto.optimizers.drivers import Reply

    model = as_model(echo)
    try:
        while True:
            sizes.append(len(requests))
            requests = proposal.send([Reply(each, model(messages=each.messages)) for each in requests])
    except StopIteration as stop:
        return stop.value


def test_requests_of_one_time_go_out_in_one_list():
    """Proposals of different length: each gets its own answers, and the lists shrink."""
    sizes = []
    results = driven(together([asking("a", 1), asking("b", 3), asking("c", 2)]), sizes)
    assert results == [["a0"], ["b0", "b1", "b2"], ["c0", "c1"]]
    assert sizes == [3, 2, 1]


def test_proposals_that_ask_nothing():
    """No request at all, and no proposal at all."""
    assert run(together([asking("a", 0), asking("b", 0)]), None, {}) == [[], []]
    assert run(together([]), None, {}) == []


def test_one_that_raises_closes_the_others():
    """The error is raised, and the others get to clean up."""
    closed = []

    def careful():
        try:
            yield [Request([{"role": "user", "content": "x"}])]
        finally:
            closed.append(True)

    def failing():
        raise ValueError("no")
        yield

    with pytest.raises(ValueError, match="no"):
        run(together([careful(), failing()]), None, {})
    assert closed == [True]
