"""TensorFlow Recommenders on the same samples.

    python tfrs_retrieval.py SAMPLES.npz DIM BATCH_SIZE SECONDS

An interpreter of its own environment runs it; it prints samples per second.
"""

from __future__ import annotations

import os
import resource
import sys
import time

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # TensorFlow Recommenders 0.7 is written for Keras 2
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs


class TwoTower(tfrs.Model):
    """Mean of a history against an item table, with the library's retrieval task."""

    def __init__(self, items: int, dim: int, log_q: np.ndarray) -> None:
        super().__init__()
        self.items = tf.keras.layers.Embedding(items + 1, dim)
        self.task = tfrs.tasks.Retrieval(temperature=0.1, remove_accidental_hits=True)
        self.q = tf.constant(np.exp(log_q), tf.float32)

    def compute_loss(self, features, training=False):  # type: ignore[no-untyped-def]
        history, item = features
        there = tf.cast(history > 0, tf.float32)[:, :, None]
        mean = tf.reduce_sum(self.items(history) * there, 1) / tf.maximum(tf.reduce_sum(there, 1), 1.0)
        user, candidate = tf.math.l2_normalize(mean, 1), tf.math.l2_normalize(self.items(item), 1)
        return self.task(
            user,
            candidate,
            candidate_sampling_probability=tf.gather(self.q, item),
            candidate_ids=item,
            compute_metrics=False,
        )


def main() -> None:
    path, dim, batch_size, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    with np.load(path) as stored:
        item, history, items = stored["item_I"], stored["history_IL"], int(stored["items"])
    log_q = np.log(np.maximum(np.bincount(item, minlength=items + 1), 1) / len(item))
    model = TwoTower(items, dim, log_q)
    model.compile(optimizer=tf.keras.optimizers.Adam(2.5e-3))
    data = tf.data.Dataset.from_tensor_slices((history, item)).shuffle(100_000, seed=0)
    batches = iter(data.batch(batch_size, drop_remainder=True).repeat().prefetch(2))
    step = tf.function(model.train_step)
    step(next(batches))
    rates, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(rates) < 2:
        start = time.perf_counter()
        for _ in range(4):
            step(next(batches))
        rates.append(4 * batch_size / (time.perf_counter() - start))
    print(f"samples_per_second {max(rates)}")
    print(f"peak_kib {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}")


if __name__ == "__main__":
    main()
