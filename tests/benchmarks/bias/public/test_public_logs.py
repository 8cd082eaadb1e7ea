"""Readers of public logs on small files, and measures against their definitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from feature_repo.errors import InputError
from tests.benchmarks.bias.public.bandit import campaigns, estimates
from tests.benchmarks.bias.public.judged import judged
from tests.benchmarks.bias.public.logs import Uniform, coat, simulation
from tests.benchmarks.bias.public.towers import by_click_rate, factors, tasks_of
from training.evaluation.metrics import ndcg_at_k

SHOWN = "0,1,1,5\n0,0,0,0\n1,2,0,5\n1,1,1,4\n"
"""Two answers of two items; the first one's rows are not in order."""
UNIFORM = "0,2,4\n0,1,3\n1,0,1\n1,2,5\n"


def simulated(folder: Path, shown: str = SHOWN, uniform: str = UNIFORM) -> Path:
    files = folder / "AutoDebias" / "datasets" / "simulation"
    files.mkdir(parents=True)
    (files / "user.txt").write_text(shown)
    (files / "random.txt").write_text(uniform)
    return folder


def rated(folder: Path, propensities: str = "0.5 0.4 0.3\n0.2 0.6 0.7\n") -> Path:
    files = folder / "AutoDebias" / "datasets" / "coat"
    (files / "user_item_features").mkdir(parents=True)
    (files / "user.txt").write_text("1,2,4\n0,1,5\n0,0,1\n1,1,2\n")
    (files / "random.txt").write_text(UNIFORM)
    (files / "propensities.ascii").write_text(propensities)
    for name, shape in (("user", (2, 14)), ("item", (3, 33))):
        np.savetxt(files / "user_item_features" / f"{name}_features.ascii", np.ones(shape))
    return folder


def bandit(folder: Path, propensity: str = "0.5") -> Path:
    head = ",timestamp,item_id,position,click,propensity_score\n"
    # Thompson sampling shows item 1 three times of four, and is clicked there alone.
    sampled = [
        f"{row},t,{int(turn > 0)},1,{int(turn == 1)},{0.75 if turn else 0.25}\n"
        for row in range(800)
        for turn in [row // 2 % 4]
    ]
    random = [f"{row},t,{row % 2},1,{int(row % 6 == 1)},{propensity}\n" for row in range(800)]
    for policy, lines in (("bts", sampled), ("random", random)):
        (folder / "zr-obp" / "obd" / policy / "men").mkdir(parents=True)
        (folder / "zr-obp" / "obd" / policy / "men" / "men.csv").write_text(head + "".join(lines))
    return folder


def test_an_answer_is_in_the_order_of_its_positions(tmp_path: Path) -> None:
    log = simulation(simulated(tmp_path))
    assert log.slates.item_SL.tolist() == [[0, 1], [2, 1]]
    assert log.slates.of("position").tolist() == [[1, 2], [1, 2]]
    assert log.slates.click_SL.tolist() == [[0, 1], [1, 1]]
    assert log.uniform.liked_M.tolist() == [True, False, False, True]
    assert "IPS" not in tasks_of(log) and "additive" in tasks_of(log)


def test_a_rated_coat_has_the_propensity_of_its_user_and_item(tmp_path: Path) -> None:
    log = coat(rated(tmp_path))
    assert log.slates.item_SL.tolist() == [[1, 0], [2, 1]]
    assert log.slates.propensity_SL is not None
    assert log.slates.propensity_SL.tolist() == [
        [pytest.approx(each) for each in row] for row in ([0.4, 0.5], [0.7, 0.6])
    ]
    assert log.user_UF.shape == (2, 14) and log.item_NF.shape == (3, 33)
    assert list(tasks_of(log)) == ["naive", "IPS"]


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "has 1 columns; wanted 4: user, item"),
        ("0,1,1,5\n0,0,x,0\n", "something else than whole numbers"),
        ("0,1,1,5\n0,0,0,0\n1,2,0,5\n", "1 to 2 rows a user"),
        ("0,1,1,5\n0,-1,0,0\n", "numbers below 0"),
    ],
)
def test_a_malformed_file_is_named_with_the_way_out(tmp_path: Path, shown: str, reason: str) -> None:
    with pytest.raises(InputError, match=rf"(?s)user\.txt.*{reason}.*git clone"):
        simulation(simulated(tmp_path, shown))


def test_what_is_missing_is_named_with_the_way_out(tmp_path: Path) -> None:
    for read in (simulation, coat, campaigns):
        with pytest.raises(InputError, match=r"(?s)no .*git clone"):
            read(tmp_path)
    with pytest.raises(InputError, match=r"shape \(1, 3\)"):
        coat(rated(tmp_path, "0.5 0.4 0.3\n"))


def test_users_are_judged_by_their_own_random_items() -> None:
    rng = np.random.default_rng(0)
    user_M, item_M = np.repeat(np.arange(30), 8), np.concatenate([rng.permutation(20)[:8] for _ in range(30)])
    uniform = Uniform(user_M=user_M, item_M=item_M, liked_M=rng.random(240) < 0.3)
    score_UN = rng.normal(size=(30, 20))
    found, auc, ndcg = judged(score_UN, uniform), [], []
    for user in range(30):
        liked, score = uniform.liked_M[user_M == user], score_UN[user, item_M[user_M == user]]
        if 0 < liked.sum() < 8:
            auc.append((score[liked][:, None] > score[~liked]).mean())
            ndcg.append(ndcg_at_k(liked[np.argsort(-score)][None], np.array([liked.sum()]), 5)[0])
    np.testing.assert_allclose(found.auc_Q, auc)
    np.testing.assert_allclose(found.ndcg_Q, ndcg)


def test_towers_read_singular_vectors_and_click_rates_of_the_clicks_that_they_see(tmp_path: Path) -> None:
    log = simulation(simulated(tmp_path))
    user_UF, item_NF = factors(log, log.slates, 1)
    left, _, right = np.linalg.svd(np.array([[-0.75, 0.25, 0], [0, 0.25, 0.25]]), full_matrices=False)
    rates = np.array([(0 + 5 * 0.75) / 6, (2 + 5 * 0.75) / 7, (1 + 5 * 0.75) / 6])
    np.testing.assert_allclose(user_UF[:, 0], left[:, 0] / left[:, 0].std())
    np.testing.assert_allclose(item_NF, np.stack([right[0] / right[0].std(), rates / rates.std()], 1))
    np.testing.assert_allclose(by_click_rate(log), [rates, rates])


def test_the_random_policy_is_worth_what_its_items_are(tmp_path: Path) -> None:
    """Item 1 is clicked in a third of its answers, item 0 never: a random one in a sixth."""
    found = {row.estimator: row for row in estimates(bandit(tmp_path), "men")}
    assert found["none (its own mean)"].found.value == pytest.approx(1 / 4)
    assert found["IPS"].found.value == pytest.approx(1 / 6)
    assert found["SNIPS"].found.value == pytest.approx(1 / 6)
    assert found["DR"].found.value == pytest.approx(1 / 6, abs=0.01)
    assert found["IPS"].truth.value == pytest.approx(1 / 6, abs=0.01)
    assert found["IPS"].refused is None


def test_a_random_log_that_is_not_uniform_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 items and propensities other than 1 / 2"):
        list(estimates(bandit(tmp_path, "0.4"), "men"))
