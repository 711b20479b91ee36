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
    """The path of every leaf, as keys and indices; an empty list or object is one."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    children = list(children)
    if not children:
        yield path
    for key, each in children:
        yield from leaves(each, (*path, key))


def kinds(content):
    """One leaf for each place in the file's structure: of a list's entries the first and the last."""
    seen = {}
    for path in leaves(content):
        seen.setdefault(tuple("i" if isinstance(part, int) else part for part in path), []).append(path)
    return [path for paths in seen.values() for path in dict.fromkeys((paths[0], paths[-1]))]


def mutated(content, path, wrong):
    """The file's text with one leaf replaced."""
    changed = copy.deepcopy(content)
    at = changed
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = wrong
    return json.dumps(changed)
