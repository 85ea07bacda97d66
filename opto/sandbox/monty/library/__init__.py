"""Modules of the standard library that the Monty interpreter lacks, in Python that it runs.

Their text is put in front of a text that imports them, inside the sandbox: they give it nothing that it could not
have written itself. A name that is not here is missing there.
"""
