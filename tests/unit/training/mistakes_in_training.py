"""Mistakes in training, each with the test that notices it.

They are in samplers, frequencies, hidden pairs, hard negatives and towers.
"""

from __future__ import annotations

from tests.mistakes.mistake import Mistake
from tests.unit.training.data import test_exposures as impressions
from tests.unit.training.data import test_sample_weights as weights
from tests.unit.training.sampling import test_item_frequency as frequency
from tests.unit.training.sampling import test_negatives as sampling
from tests.unit.training.towers import test_id_table as id_table
from tests.unit.training.towers import test_normalize as unit
from tests.unit.training.towers import test_score as score
from tests.unit.training.trainer import test_hard_negatives as hard_negatives
from tests.unit.training.trainer import test_item_columns as columns
from tests.unit.training.trainer import test_trainer as trainer
from training.recipes import InBatch, Mixed, Popularity, Uniform

IN_TRAINING = [
    Mistake(
        name="B·q for distinct columns",
        module="training.sampling.item_frequency",
        right="torch.log(-torch.expm1(interactions * torch.log1p(-self.share_N[item_C])))",
        wrong="torch.log(interactions * self.share_N[item_C])",
        test=sampling.test_a_log_probability_is_that_of_being_a_column,
        arguments=(InBatch(),),
    ),
    Mistake(
        name="1 - (1 - q)^B by powers, which lose small q",
        module="training.sampling.item_frequency",
        right="torch.log(-torch.expm1(interactions * torch.log1p(-self.share_N[item_C])))",
        wrong="torch.log(1 - (1 - self.share_N[item_C]) ** interactions)",
        test=sampling.test_a_counted_frequency_is_a_log_probability_for_any_share,
        arguments=(1e-7, 1_000),
    ),
    Mistake(
        name="mixed negatives by the unigram q alone",
        module="training.sampling.negatives",
        right="torch.log(in_batch + (1 - in_batch) * (len(drawn) / items))",
        wrong="torch.log(in_batch)",
        test=sampling.test_a_log_probability_is_that_of_being_a_column,
        arguments=(Mixed(number=5),),
    ),
    Mistake(
        name="popularity without its power in the correction",
        module="training.sampling.negatives",
        right="once = (weight_N / weight_N.sum())",
        wrong="once = share_N",
        test=sampling.test_a_log_probability_is_that_of_being_a_column,
        arguments=(Popularity(number=9, beta=0.75),),
    ),
    Mistake(
        name="uniform draws that are positives not hidden",
        module="training.trainer.item_columns",
        right="there_P, twice_P = last_P >= 0, last_P > first_P",
        wrong="there_P, twice_P = last_P >= 0, torch.zeros_like(last_P, dtype=torch.bool)",
        test=trainer.test_no_positive_of_a_row_is_its_negative_whatever_draws_them,
        arguments=(Uniform(number=6), False),
    ),
    Mistake(
        name="columns of the batch before",
        module="training.trainer.item_columns",
        right="self.first_N[self.item_C], self.last_N[self.item_C] = NOWHERE, -1",
        wrong="pass",
        test=columns.test_columns_are_those_of_the_last_batch,
    ),
    Mistake(
        name="known positives taken by rows of the batch, not by users",
        module="training.trainer.candidates",
        right="self.data.known[batch.user_R]",
        wrong="self.data.known[: len(batch.user_R)]",
        test=trainer.test_known_positives_are_those_of_the_batch_s_users,
    ),
    Mistake(
        name="an item twice in a batch counted twice",
        module="training.sampling.item_frequency",
        right="self.step += 1",
        wrong="""if len(item_C) > 1:
            before = self.step
            for one in item_C.split(1):
                self.step = before
                self.update(one)
            return
        self.step += 1""",
        test=frequency.test_an_item_twice_in_a_batch_counts_once,
    ),
    Mistake(
        name="a step that starts anew instead of the global one",
        module="training.sampling.item_frequency",
        right="self.step += 1",
        wrong="self.step = self.step % 100 + 1",
        test=frequency.test_the_probabilities_of_a_stationary_stream_are_recovered,
        arguments=(0,),
    ),
    Mistake(
        name="the first gap at the weight of all others",
        module="training.sampling.item_frequency",
        right="(mean / (last + mean)).clamp_min(self.rate)",
        wrong="torch.where(last > 0, self.rate, 1.0)",
        test=frequency.test_the_first_batches_leave_no_mark,
    ),
    Mistake(
        name="the shortest gap of several tables",
        module="training.sampling.item_frequency",
        right="gaps_MC.amax(dim=0)",
        wrong="gaps_MC.amin(dim=0)",
        test=frequency.test_several_tables_beat_one_where_items_collide,
    ),
    Mistake(
        name="the streaming frequency left out of the state",
        module="training.sampling.item_frequency",
        right='int(state["step"])',
        wrong="0",
        test=frequency.test_state_goes_on_as_if_nothing_had_happened,
    ),
    Mistake(
        name="the user's own positives mined",
        module="training.sampling.hard_negatives",
        right="(exclude=data.known)",
        wrong="()",
        test=trainer.test_mining_takes_the_wanted_ranks_and_nothing_known,
    ),
    Mistake(
        name="impressions before they were known",
        module="feature_repo.tables.snapshots",
        right='pl.max_horizontal("timestamp", "created") < moment',
        wrong='pl.col("timestamp") < moment',
        test=impressions.test_each_user_has_the_newest_items_shown_and_never_taken_in_the_training_part,
        arguments=(0,),
    ),
    Mistake(
        name="what the user took on another occasion a negative of his",
        module="training.data.exposures",
        right='.join(positives, on=[USER_ID, ITEM_ID], how="anti")',
        wrong="",
        test=impressions.test_each_user_has_the_newest_items_shown_and_never_taken_in_the_training_part,
        arguments=(0,),
    ),
    Mistake(
        name="mined ranks counted from 0",
        module="training.sampling.hard_negatives",
        right="config.first - 1 :",
        wrong="config.first :",
        test=trainer.test_mining_takes_the_wanted_ranks_and_nothing_known,
    ),
    Mistake(
        name="a row's hard negatives as everybody's",
        module="training.trainer.candidates",
        right="last_negative=last,",
        wrong="last_negative=len(item_C),",
        test=trainer.test_mined_items_are_negatives_of_their_own_row_only,
    ),
    Mistake(
        name="hard negatives remembered as the batch's",
        module="training.trainer.candidates",
        right="self.memory.add(own_C, own_CD.detach())",
        wrong="self.memory.add(columns.item_C, item_CD.detach())",
        test=hard_negatives.test_beside_a_memory_hard_negatives_stay_their_row_s_own_and_are_not_remembered,
    ),
    Mistake(
        name="a dropped id as padding, not as the default of unknown items",
        module="training.towers.item_vectors",
        right="device=codes_B.device) < share, UNKNOWN)",
        wrong="device=codes_B.device) < share, PAD)",
        test=trainer.test_id_dropout_trains_the_default_of_unknown_items,
        arguments=(0.5,),
    ),
    Mistake(
        name="a temperature free to leave its bounds",
        module="training.towers.score",
        right="self.log_temperature.clamp(*self.log_bounds).exp()",
        wrong="self.log_temperature.exp()",
        test=score.test_a_learned_temperature_stays_within_its_bounds,
    ),
    Mistake(
        name="the temperature itself learned, not its logarithm",
        module="training.towers.score",
        right="self.log_temperature.clamp(*self.log_bounds).exp()",
        wrong="1 + self.log_temperature",
        test=score.test_a_learned_temperature_stays_within_its_bounds,
    ),
    Mistake(
        name="the temperature applied twice",
        module="training.towers.score",
        right="1 / self.temperature",
        wrong="1 / self.temperature**2",
        test=score.test_a_logit_is_the_cosine_over_the_temperature,
        arguments=(0.5,),
    ),
    Mistake(
        name="a unit vector whose gradient grows it",
        module="training.towers.normalize",
        right="value=-1",
        wrong="value=0",
        test=unit.test_values_and_gradients_are_those_of_normalize,
    ),
    Mistake(
        name="a block of rows that begins with the first row of the table",
        module="training.towers.item_vectors",
        right="first = int(codes[0])",
        wrong="first = 0",
        test=id_table.test_rows_and_gradients_are_those_of_an_embedding,
        arguments=([3, 4, 5, 6], False),
    ),
    Mistake(
        name="a user's interactions counted by days, not by rows",
        module="training.data.sample_weights",
        right="balance = pl.len().over(USER_ID).cast(pl.Float64) ** -weighting.user_balance",
        wrong='balance = pl.col("query_time").n_unique().over(USER_ID).cast(pl.Float64) ** -weighting.user_balance',
        test=weights.test_the_interactions_of_one_who_has_many_count_less,
        arguments=(0.5, 0.5),
    ),
]
