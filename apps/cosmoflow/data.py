"""The configuration's `data`: what it may say, and which file it means at an edge. No torch, no files touched.

{recipe: {universes: 8, edge: 32, ...}, folder: data}   made once and kept; augment.data.recipe explains the keys
{path: FILE}                                            a file made before; {edge} in it stands for the point's edge
{}                                                      none: every point has input synthetic
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from augment.data.recipe import Recipe
from augment.errors import DataError
from saih.app import InputError, Point

DEFAULT_FOLDER = "data"
DEFAULT_REDSHIFTS = 4  # of MLPerf's data set: what a file must hold, and synthetic input has


def resolve(given: Mapping[str, Any]) -> dict[str, Any]:
    """`data` with its defaults filled in, of plain types. Raises InputError naming the key and what is allowed."""
    allowed = ("recipe", "folder", "path")
    for key in given:
        if key not in allowed:
            raise InputError(f"data.{key}: unknown key; allowed: {', '.join(allowed)}")
    for key in ("folder", "path"):
        if key in given and (not isinstance(given[key], str) or not given[key]):
            raise InputError(f"data.{key} = {given[key]}: must be a path")
    if "path" in given:
        if len(given) > 1:
            raise InputError("data.path: stands alone; allowed: either path, or recipe with folder")
        return {"path": given["path"]}
    if "recipe" not in given:
        if given:
            raise InputError("data.recipe: is required where data.folder is given")
        return {}
    recipe = asdict(_recipe(given["recipe"]))
    return {"recipe": recipe | {"redshifts": list(recipe["redshifts"])}, "folder": given.get("folder", DEFAULT_FOLDER)}


def validate(point: Point) -> None:
    """Raises InputError unless the point's input can be had at its edge."""
    if point.run.input != "dataset":
        return
    if not point.data:
        raise InputError(
            "run.input = dataset: needs data: {recipe: {universes: 8, edge: 32}} or data: {path: FILE}; "
            "allowed without data: synthetic"
        )
    if "recipe" in point.data:
        recipe_at(point)


def recipe_at(point: Point) -> Recipe:
    """The recipe at the point's edge. Raises InputError where there is no such data set."""
    edge = int(point.size["edge"])
    try:
        return _recipe(point.data["recipe"]).at(edge)
    except DataError as error:
        raise InputError(f"size.edge = {edge}: the recipe cannot be made at this edge: {error}") from error


def file_of(point: Point) -> Path:
    """The file that holds the point's samples; a recipe's is named by its content."""
    edge = int(point.size["edge"])
    if "path" in point.data:
        return Path(point.data["path"].replace("{edge}", str(edge)))
    return Path(point.data["folder"]) / f"universes-edge{edge}-{recipe_at(point).digest()}.h5"


def redshifts(point: Point) -> int:
    """Channels of the point's input."""
    recipe = point.data.get("recipe")
    return len(recipe["redshifts"]) if recipe else DEFAULT_REDSHIFTS


def _recipe(given: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe.from_mapping(given)
    except DataError as error:
        of_a_key = not str(error).startswith("recipe")
        raise InputError(f"data.{'recipe.' if of_a_key else ''}{error}") from error
