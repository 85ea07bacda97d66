"""A model that answers when all requests of a round have arrived, so that tests count rounds without a clock."""

import threading

from opto.llm import Model


class Rounds(Model):
    """Answers by a function; each answer waits until as many requests are there as the round must have.

    Requests that do not go out together break the barrier, and the test fails.
    """

    def __init__(self, sizes, answer):
        self.sizes, self.answer = list(sizes), answer
        self.barriers = [threading.Barrier(size) for size in self.sizes]
        self.requests = []
        self.lock = threading.Lock()

    def complete(self, messages, **options):
        with self.lock:
            number = len(self.requests)
            self.requests.append((messages, options))
        for size, barrier in zip(self.sizes, self.barriers):
            if number < size:
                barrier.wait(timeout=20)
                return self.answer(messages, options)
            number -= size
        raise AssertionError(f"one request more than the {sum(self.sizes)} that were expected: {messages}")

    @property
    def finished(self):
        """Whether all rounds took place."""
        return len(self.requests) == sum(self.sizes)
