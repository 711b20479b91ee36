"""The configuration's `data`: its keys, and the data set that it means at an edge. No torch, no files touched.

{recipe: {universes: 8, edge: 32, ...}, folder: data}   made once and kept; augment.data.recipe explains the keys
{path: FOLDER}                                          a data set made before; {edge} in it stands for the point's edge
{}                                                      none: every point has input synthetic

~ and $VARIABLES in paths are expanded where they are used. Beside either:

staging: {folder: FOLDER}      the folder for copies by inputs staged, staged-cold, staged-warm: each host's own storage
views: [symmetries, shifts]    each sample is turned, and shifted if boxes are periodic, anew in every epoch
threads: 8                     reading threads of each rank; null: as many as it has cores, from 4 to 8
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from apps.cosmoflow.dials import SYNTHETIC
from augment.data.recipe import Recipe
from augment.data.storage.names import folder_of
from augment.errors import DataError
from saih.app import InputError, Point, expanded

DEFAULT_FOLDER = "data"
DEFAULT_REDSHIFTS = 4  # as in MLPerf's data set; required of a data set, and used for synthetic input
MOST_THREADS = 1024
VIEWS = ("symmetries", "shifts")


def resolve(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` of plain types with its defaults filled in.

    Raises InputError naming the key and the allowed values.
    """
    _known("data", given, (*_PLACES, *_BESIDE))
    for key in ("folder", "path"):
        if key in given:
            _path(f"data.{key}", given[key])
            expanded(f"data.{key}", given[key])
    if not given:
        return {}
    beside = {key: check(given.get(key)) for key, check in _BESIDE.items()}
    if "path" in given:
        if "recipe" in given or "folder" in given:
            raise InputError("data.path: excludes data.recipe and data.folder; allowed: path, or recipe with folder")
        return {"path": given["path"], **beside}
    if "recipe" not in given:
        raise InputError(f"data.{next(iter(given))}: needs data.recipe or data.path beside it")
    recipe = asdict(_recipe(given["recipe"]))
    place = {"recipe": recipe | {"redshifts": list(recipe["redshifts"])}, "folder": given.get("folder", DEFAULT_FOLDER)}
    return place | beside


def validate(point: Point) -> None:
    """Raise InputError unless the point's input is possible at its edge."""
    wanted, data = point.run.input, point.data
    if wanted == SYNTHETIC:
        return
    if not data:
        raise InputError(
            f"run.input = {wanted}: needs data: {{recipe: {{universes: 8, edge: 32}}}} or data: {{path: FOLDER}}; "
            "allowed without data: synthetic"
        )
    if wanted.startswith("staged") and not data["staging"]:
        raise InputError(f"run.input = {wanted}: needs data.staging: {{folder: FOLDER}}, on each host's own storage")
    if "recipe" in data and "shifts" in data["views"] and not recipe_at(point).periodic:
        raise InputError("data.views = shifts: needs periodic boxes, which recipe.cuts = 1 has; allowed: symmetries")
    if "recipe" in data:
        recipe_at(point)


def _staging(given: Any) -> dict[str, str] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping) or "folder" not in given:
        raise InputError(f"data.staging = {given}: must be {{folder: FOLDER}}")
    _known("data.staging", given, ("folder",))
    _path("data.staging.folder", given["folder"])
    return {"folder": given["folder"]}


def _views(given: Any) -> list[str]:
    chosen = [] if given is None else given
    if not isinstance(chosen, list) or not all(kind in VIEWS for kind in chosen):
        raise InputError(f"data.views = {given}: must be a list of {', '.join(VIEWS)}")
    return [kind for kind in VIEWS if kind in chosen]


def _threads(given: Any) -> int | None:
    if given is None or (isinstance(given, int) and not isinstance(given, bool) and given >= 1):
        if given and given > MOST_THREADS:
            raise InputError(f"data.threads = {given}: must be at most {MOST_THREADS}")
        return given
    raise InputError(f"data.threads = {given}: must be an integer of at least 1, or null")


_PLACES = ("recipe", "folder", "path")
_BESIDE: dict[str, Callable[[Any], Any]] = {"staging": _staging, "views": _views, "threads": _threads}


def _known(where: str, given: Mapping[str, Any], allowed: Sequence[str]) -> None:
    for key in given:
        if key not in allowed:
            raise InputError(f"{where}.{key}: unknown key; allowed: {', '.join(allowed)}")


def _path(where: str, given: Any) -> None:
    if not isinstance(given, str) or not given:
        raise InputError(f"{where} = {given}: must be a path")


def recipe_at(point: Point) -> Recipe:
    """Return the recipe at the point's edge. Raises InputError if there is no such data set."""
    edge = int(point.size["edge"])
    try:
        return _recipe(point.data["recipe"]).at(edge)
    except DataError as error:
        raise InputError(f"size.edge = {edge}: the recipe cannot be made at this edge: {error}") from error


def set_of(point: Point) -> Path:
    """Return the folder of the point's data set; a recipe's is named by its content."""
    edge = int(point.size["edge"])
    if "path" in point.data:
        return Path(str(expanded("data.path", point.data["path"])).replace("{edge}", str(edge)))
    return folder_of(recipe_at(point), expanded("data.folder", point.data["folder"]))


def redshifts(point: Point) -> int:
    """Return the channels of the point's input."""
    recipe = point.data.get("recipe")
    return len(recipe["redshifts"]) if recipe else DEFAULT_REDSHIFTS


def _recipe(given: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe.from_mapping(given)
    except DataError as error:
        of_a_key = not str(error).startswith("recipe")
        raise InputError(f"data.{'recipe.' if of_a_key else ''}{error}") from error
