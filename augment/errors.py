"""What can go wrong with data and models that people give us.

A `DataError` is written for the person who gave the data: what was given, where, and what is allowed, in one
line. Anything else that is raised here is a mistake of ours.
"""


class DataError(ValueError):
    """A recipe, a file or an argument that cannot be used; the message says what is allowed."""
