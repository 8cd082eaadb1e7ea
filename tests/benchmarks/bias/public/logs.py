"""Public logs with a uniform part: what a policy showed and users liked, and answers at random.

Legend: U users, N items, F features, L items of a user's answer, M uniform rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_repo.errors import InputError
from tests.benchmarks.bias.public.files import HOW, read_matrix, read_numbers
from training.data.slates import Slates

LIKED = 4
"""Least rating that counts as a click [Chen et al., AutoDebias, SIGIR 2021]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Uniform:
    """Items that were shown at random, one row each."""

    user_M: np.ndarray
    item_M: np.ndarray
    liked_M: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class PublicLog:
    """A log with one answer for each user, and its uniform part."""

    slates: Slates
    uniform: Uniform
    user_UF: np.ndarray
    """Features of the users besides their ids; without columns if there are none."""
    item_NF: np.ndarray


def simulation(folder: Path) -> PublicLog:
    """Simulated users of AutoDebias: 500, with 25 positions each, and 150 random items each.

    Raises:
        InputError: a file is missing or malformed.
    """
    files = folder / "AutoDebias" / "datasets" / "simulation"
    shown = read_numbers(files / "user.txt", ("user", "item", "position", "rating"), separator=",")
    uniform = read_numbers(files / "random.txt", ("user", "item", "rating"), separator=",")
    users, items = counts(shown, uniform)
    slates = answers(files / "user.txt", shown, users, position=shown["position"] + 1)
    return PublicLog(slates=slates, uniform=liked(uniform), user_UF=np.zeros((users, 0)), item_NF=np.zeros((items, 0)))


def coat(folder: Path) -> PublicLog:
    """Coats: 24 that each of 290 users chose to rate, with fitted propensities, and 16 random ones.

    Raises:
        InputError: a file is missing or malformed.
    """
    files = folder / "AutoDebias" / "datasets" / "coat"
    shown, uniform = (
        read_numbers(files / name, ("user", "item", "rating"), separator=",") for name in ("user.txt", "random.txt")
    )
    users, items = counts(shown, uniform)
    propensity_UN = read_matrix(files / "propensities.ascii", (users, items))
    features = files / "user_item_features"
    return PublicLog(
        slates=answers(files / "user.txt", shown, users, propensity=propensity_UN[shown["user"], shown["item"]]),
        uniform=liked(uniform),
        user_UF=read_matrix(features / "user_features.ascii", (users, 14)),
        item_NF=read_matrix(features / "item_features.ascii", (items, 33)),
    )


LOGS: dict[str, Callable[[Path], PublicLog]] = {"simulation": simulation, "coat": coat}


def counts(*parts: dict[str, np.ndarray]) -> tuple[int, int]:
    """Numbers of users and items that some parts name."""
    users, items = (max(int(part[name].max()) for part in parts) + 1 for name in ("user", "item"))
    return users, items


def liked(part: dict[str, np.ndarray]) -> Uniform:
    """Uniform part of its columns."""
    return Uniform(user_M=part["user"], item_M=part["item"], liked_M=part["rating"] >= LIKED)


def answers(
    path: Path,
    shown: dict[str, np.ndarray],
    users: int,
    *,
    position: np.ndarray | None = None,
    propensity: np.ndarray | None = None,
) -> Slates:
    """One answer for each user, in the order of the positions or of the file.

    Args:
        path: the file, for errors.
        shown: columns of the log.
        users: number of users.
        position: position of each row, from 1; None if the log has none.
        propensity: probability of each row to be in the log; None if unknown.

    Raises:
        InputError: users with answers of different lengths.
    """
    order = np.lexsort((np.arange(len(shown["user"])) if position is None else position, shown["user"]))
    length_U = np.bincount(shown["user"], minlength=users)
    if length_U.min() != length_U.max():
        raise InputError(
            f"{path} has {length_U.min()} to {length_U.max()} rows a user; wanted as many of each: it was cut\n{HOW}"
        )
    shape = (users, -1)
    context = np.empty((len(order), 0), np.int64) if position is None else position[order][:, None]
    return Slates(
        query_S=np.arange(users),
        item_SL=shown["item"][order].reshape(shape),
        context_SLC=context.reshape(users, length_U[0], -1)
        if position is not None
        else context.reshape(users, length_U[0], 0),
        names=() if position is None else ("position",),
        sizes=() if position is None else (int(position.max()) + 1,),
        click_SL=(shown["rating"][order] >= LIKED).astype(np.float32).reshape(shape),
        propensity_SL=None if propensity is None else propensity[order].astype(np.float32).reshape(shape),
    )
