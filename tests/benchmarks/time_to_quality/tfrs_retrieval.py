"""TensorFlow Recommenders: its own retrieval task, in its own environment."""

from __future__ import annotations

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # TensorFlow Recommenders 0.7 is written for Keras 2
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from tests.benchmarks.time_to_quality.task import Task, own_task


class TwoTower(tfrs.Model):
    """Embeddings of length 1 of users and of items; in-batch softmax with logQ."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.users, self.items = (
            tf.keras.layers.Embedding(size, task.settings["dim"], embeddings_initializer=initial(task, number))
            for number, size in enumerate((task.users, task.items))
        )
        self.share_N = tf.constant(task.share_N)
        self.task = tfrs.tasks.Retrieval(temperature=task.settings["temperature"], remove_accidental_hits=True)

    def compute_loss(self, features, training=False):  # type: ignore[no-untyped-def]
        user_B, item_B = features
        return self.task(
            tf.math.l2_normalize(self.users(user_B), 1),
            tf.math.l2_normalize(self.items(item_B), 1),
            candidate_sampling_probability=tf.gather(self.share_N, item_B),
            candidate_ids=item_B,
            compute_metrics=False,
        )

    def vectors(self) -> list[np.ndarray]:
        """Vectors of all users and of all items."""
        return [tf.math.l2_normalize(table.embeddings, 1).numpy() for table in (self.users, self.items)]


def initial(task: Task, number: int) -> tf.keras.initializers.Initializer:
    """Initial vectors as in the other systems; each table draws its own numbers."""
    dim, seed = task.settings["dim"], task.settings["seed"]
    return tf.keras.initializers.RandomNormal(stddev=0.3 * dim**-0.5, seed=2 * seed + number)


def main() -> None:
    task, clock = own_task()
    settings = task.settings
    tf.config.threading.set_intra_op_parallelism_threads(settings["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(settings["threads"])
    tf.keras.utils.set_random_seed(settings["seed"])
    rng = np.random.default_rng(settings["seed"])
    model, steps = TwoTower(task), len(task.user_I) // settings["batch"]
    rate = tf.keras.optimizers.schedules.CosineDecay(settings["rate"], settings["epochs"] * steps)
    model.compile(optimizer=tf.keras.optimizers.Adam(rate))
    step = tf.function(model.train_step)
    clock.start()
    for _ in range(settings["epochs"]):
        # Batches of one size, or the step would be traced anew.
        for batch in rng.permutation(len(task.user_I))[: steps * settings["batch"]].reshape(steps, -1):
            step((tf.constant(task.user_I[batch]), tf.constant(task.item_I[batch])))
        clock.stop()
        clock.measure(*model.vectors())


if __name__ == "__main__":
    main()
