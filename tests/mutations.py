"""Every leaf of a JSON file replaced by what does not belong there."""

import copy
import json

WRONG = {
    "null": None,
    "text": "x",
    "list": [1],
    "huge": 10**400,
    "largest float": 1.7e308,
    "negative": -1,
    "NaN": float("nan"),
}
"""What may stand where something else should. ``huge`` is a number that no float holds."""


def leaves(value, path=()):
    """The path of every leaf, as keys and indices, and its value; an empty list or object is a leaf."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    children = list(children)
    if not children:
        yield path, value
    for key, each in children:
        yield from leaves(each, (*path, key))


def places(contents):
    """(Which file, path) of one leaf for each place in the structure of several files, and each type found there.

    Of the entries of a list the first and the last one count, in the first file that has such.
    """
    found = {}
    for number, content in enumerate(contents):
        here = {}
        for path, value in leaves(content):
            place = tuple("entry" if isinstance(part, int) else part for part in path), type(value)
            here.setdefault(place, []).append((number, path))
        found = here | found
    return [each for paths in found.values() for each in dict.fromkeys((paths[0], paths[-1]))]


def mutated(content, path, wrong):
    """The file's text with one leaf replaced."""
    changed = copy.deepcopy(content)
    at = changed
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = wrong
    return json.dumps(changed)
