"""Mistakes in what learns from clicks, each with the test that notices it."""

from __future__ import annotations

from tests.mistakes.mistake import Mistake
from tests.unit.training import test_bias_diagnosis as reports
from tests.unit.training import test_clicked_answers as trained
from tests.unit.training.data import test_answer_types as types
from tests.unit.training.data import test_exposures as exposures
from tests.unit.training.data import test_no_leaks as leaks
from tests.unit.training.data import test_retrieved as retrieval
from tests.unit.training.losses import test_clicks as loss
from tests.unit.training.recipes import test_recipes as recipes
from tests.unit.training.towers.clicks import test_click_models as models
from tests.unit.training.trainer import test_click_objective as objective
from training.recipes import Additive

IN_CLICKS = [
    Mistake(
        name="users who take nothing left out of what is learned from",
        module="training.data.assemble",
        right='Snapshots.used(queries, positives, USER_ID, "query_time", answered)',
        wrong='Snapshots.used(queries, positives, USER_ID, "query_time")',
        test=trained.test_a_user_who_takes_nothing_is_learned_from,
    ),
    Mistake(
        name="users numbered by name, beside impressions of those with interactions",
        module="training.data.assemble",
        right="pl.concat([positives[USER_ID].unique().sort(), asked.keys[USER_ID]]).unique(maintain_order=True)",
        wrong="asked.keys[USER_ID].unique().sort()",
        test=trained.test_a_user_who_takes_nothing_is_learned_from,
    ),
    Mistake(
        name="features of an answer's evening, which hold what followed it",
        module="feature_repo.tables.snapshots",
        right="(day_of(time) if granularity == DAY else time).alias(ENTITY_TIME)",
        wrong='(day_of(time) if granularity == DAY else time).dt.offset_by("1d").alias(ENTITY_TIME)',
        test=leaks.test_an_answer_meets_what_was_known_before_its_day_or_its_moment,
        arguments=("day",),
    ),
    Mistake(
        name="clicks alone that follow the interactions' steps",
        module="training.trainer.state",
        right="if self.clicks and self.clicks.alone else batches",
        wrong="if self.clicks and not self.clicks else batches",
        test=objective.test_an_epoch_of_clicks_alone_is_one_pass_over_the_answers,
    ),
    Mistake(
        name="few answers beside few steps of retrieval",
        module="training.trainer.click_objective",
        right="max(config.slates, min(share, self._most()))",
        wrong="config.slates",
        test=objective.test_an_epoch_beside_retrieval_reads_each_answer,
        arguments=(1,),
    ),
    Mistake(
        name="answers of a step without a bound",
        module="training.trainer.click_objective",
        right="max(config.slates, min(share, self._most()))",
        wrong="max(config.slates, share)",
        test=objective.test_a_step_holds_no_more_than_its_bound,
        arguments=(Additive(), 9, 10**9),
    ),
    Mistake(
        name="looks that no resample connects told as known",
        module="training.bias_diagnosis",
        right="known = np.isfinite(looks_K3).all(axis=1)",
        wrong="known = np.ones(len(looks_K3), bool)",
        test=reports.test_looks_that_no_resample_connects_are_left_out,
    ),
    Mistake(
        name="a bias that decays",
        module="training.trainer.optimisers",
        right="frozenset(map(id, bias))",
        wrong="frozenset()",
        test=objective.test_the_bias_does_not_decay,
    ),
    Mistake(
        name="columns without an item count in the loss",
        module="training.losses.clicks",
        right="torch.where(weight_SL > 0, weight_SL * of_items_KSL, 0.0)",
        wrong="(weight_SL * of_items_KSL)",
        test=loss.test_columns_without_an_item_say_nothing_whatever_they_hold,
    ),
    Mistake(
        name="shares of a mixture left out of the likelihood",
        module="training.losses.clicks",
        right="likelihood_KS + log_share_K.unsqueeze(1)",
        wrong="likelihood_KS + 0 * log_share_K.unsqueeze(1)",
        test=loss.test_a_mixture_has_its_marginal_likelihood_and_the_gradient_of_a_step_of_em,
    ),
    Mistake(
        name="sum of logits where PAL has a product of probabilities",
        module="training.towers.clicks.additive",
        right="log_SL = F.logsigmoid(relevance_SL) + F.logsigmoid(self.bias(shown.context_SLC).squeeze(-1))",
        wrong="log_SL = F.logsigmoid(relevance_SL + self.bias(shown.context_SLC).squeeze(-1))",
        test=models.test_a_model_is_its_formula,
        arguments=("product",),
    ),
    Mistake(
        name="dot product whose mean over positions is not what serves",
        module="training.towers.clicks.dot_product",
        right="self.bias(shown.context_SLC) - self._mean()",
        wrong="self.bias(shown.context_SLC)",
        test=models.test_the_mean_of_a_dot_product_over_positions_is_the_towers_score,
    ),
    Mistake(
        name="an item attends to itself",
        module="training.towers.clicks.cross_positional",
        right="itself_LM | ~shown.shown_SL.unsqueeze(1)",
        wrong="~shown.shown_SL.unsqueeze(1).expand(-1, len(itself_LM), -1)",
        test=models.test_an_item_does_not_attend_to_itself_and_a_single_one_to_nothing,
    ),
    Mistake(
        name="attention to columns behind the end of an answer",
        module="training.towers.clicks.cross_positional",
        right="itself_LM | ~shown.shown_SL.unsqueeze(1)",
        wrong="itself_LM.expand(len(shown.shown_SL), -1, -1)",
        test=models.test_columns_behind_the_end_of_an_answer_change_nothing,
        arguments=("cross-positional",),
    ),
    Mistake(
        name="a bias without dropout, so that its default is never trained",
        module="training.towers.clicks.surroundings",
        right="if not self.training or not self.dropout:",
        wrong="if True:",
        test=models.test_dropout_hides_the_position_in_training_alone,
        arguments=("additive",),
    ),
    Mistake(
        name="bias learned at the towers' rate",
        module="training.trainer.optimisers",
        right="dense.append((bias, config.impressions.bias.learning_rate))",
        wrong="dense.append((bias, config.optimisation.learning_rate))",
        test=objective.test_every_weight_has_one_optimiser,
    ),
    Mistake(
        name="answers drawn with replacement",
        module="training.trainer.click_objective",
        right="torch.randperm(len(self.told), generator=self.rng)",
        wrong="torch.randint(len(self.told), (len(self.told),), generator=self.rng)",
        test=objective.test_every_answer_is_taken_once_before_any_comes_again,
    ),
    Mistake(
        name="a trial that reads answers of its own window",
        module="training.untrained",
        right="items, positives, events, impressions, validation_start, config",
        wrong="items, positives, events, impressions, cut, config",
        test=trained.test_the_trial_reads_answers_before_its_window_and_the_refit_all_before_the_cut,
    ),
    Mistake(
        name="clicks of columns without an item in the types of answers",
        module="training.data.answer_types",
        right="(1 - click_SL[rows]) * shown_SL[rows]",
        wrong="(1 - click_SL[rows])",
        test=types.test_hidden_columns_count_for_nothing,
    ),
    Mistake(
        name="clicks of impressions learned by retrieval again",
        module="training.data.assemble",
        right='positives.drop_nulls(["weight", *([RETURN] if returned else [])])',
        wrong="positives.drop_nulls([RETURN]) if returned else positives",
        test=trained.test_a_click_of_an_impression_is_learned_by_its_answer_and_no_positive_of_retrieval,
    ),
    Mistake(
        name="answers numbered beside positives that retrieval does not learn",
        module="training.clicked_answers",
        right='self.positives.drop_nulls("weight")',
        wrong="self.positives",
        test=trained.test_a_click_of_an_impression_is_learned_by_its_answer_and_no_positive_of_retrieval,
    ),
    Mistake(
        name="negatives of users whose every positive is a click",
        module="training.data.exposures",
        right='positives.drop_nulls("weight")[USER_ID]',
        wrong="positives[USER_ID]",
        test=exposures.test_each_user_has_the_newest_items_shown_and_never_taken_in_the_training_part,
        arguments=(0,),
    ),
    Mistake(
        name="a purchase taken for the click before it",
        module="training.data.clicks",
        right='known.filter(pl.col("value").fill_null(0) == 0) if "value" in known.columns else known',
        wrong="known",
        test=retrieval.test_what_is_no_click_is_found_as_by_hand,
        arguments=(0,),
    ),
    Mistake(
        name="retrieval left with hardly any positive",
        module="training.data.retrieved",
        right='left if left["weight"].count() >= LEAST_LEFT * left.height else positives',
        wrong="left",
        test=retrieval.test_clicks_stay_positives_where_hardly_anything_else_is_one,
        arguments=(3,),
    ),
    Mistake(
        name="history items that are clicked again, negatives of the repeat head",
        module="training.data.training_set",
        right="clicks = (self.clicked.user_T, self.corpus[ITEM_ID][self.clicked.item_T], self.clicked.time_T)",
        wrong="clicks = taken",
        test=trained.test_an_item_that_is_clicked_again_is_no_negative_of_the_repeat_head,
    ),
    Mistake(
        name="clicked items that the user does not know",
        module="training.data.training_set",
        right="rows = (np.append(rows[0], self.clicked.user_T), np.append(rows[1], self.clicked.item_T))",
        wrong="rows = rows",
        test=trained.test_a_click_of_an_impression_is_learned_by_its_answer_and_no_positive_of_retrieval,
    ),
    Mistake(
        name="two epochs of what little impressions leave of a large log",
        module="training.recipes.named",
        right="interactions >= LARGE and not few and",
        wrong="interactions >= LARGE and",
        test=recipes.test_a_large_log_has_large_batches_and_no_trial_unless_impressions_may_take_most_of_it,
    ),
]
