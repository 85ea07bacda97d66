"""A program that looks at a picture, for tests of images."""

from opto.trace import bundle


@bundle()
def describe(picture, question):
    """What is seen."""
    return "a cat"
