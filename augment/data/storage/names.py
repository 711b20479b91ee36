"""Where a data set that is made from a recipe is kept: named by its content, so that it is made once."""

from __future__ import annotations

from pathlib import Path

from augment.data.recipe import Recipe


def folder_of(recipe: Recipe, root: str | Path) -> Path:
    """The folder below `root` of a recipe's data set."""
    return Path(root) / f"universes-edge{recipe.edge}-{recipe.digest()}"
