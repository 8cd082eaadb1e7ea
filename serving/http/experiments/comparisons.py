"""Comparisons after the answer: what shadows and the other variants would have shown.

Nobody waits for them. Each engine is asked when no request of a client waits there, and the number of comparisons that
wait is bounded: what is more is not compared, whichever variant was shown, so that the estimates stay unbiased.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile

from serving.experiments.definition import Design, Experiment, Variant
from serving.experiments.exposure import Exposure, compare_answers
from serving.http.batcher import Question
from serving.http.engine_process import EngineGoneError
from serving.http.experiments.answering import is_sound
from serving.http.experiments.sources import Sources
from serving.http.metrics import Metrics

logger = logging.getLogger(__name__)
MOST = 256
"""Comparisons that may wait."""
TOGETHER = 4
"""Comparisons that are asked for in one batch: a request that comes meanwhile waits for no more."""
PAUSE_SECONDS = 0.02
"""Wait after the first answer: it is sent before, and what comes meanwhile shares a batch."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Answer that was shown, to be compared."""

    experiment: Experiment
    question: Question
    exposure: Exposure


class Comparisons:
    """Comparisons of shown answers with shadows.

    Args:
        sources: engines of what variants and shadows serve.
        metrics: told times and overlaps.
        keep: takes each exposure, compared or not.
        most: comparisons that may wait.
    """

    def __init__(
        self, sources: Sources, metrics: Metrics, keep: Callable[[Exposure], None], *, most: int = MOST
    ) -> None:
        self._sources, self._metrics, self._keep, self._most = sources, metrics, keep, most
        self._waiting: deque[Comparison] = deque()
        self._arrived = asyncio.Event()

    def put(self, comparison: Comparison) -> None:
        """Let an answer be compared soon; its exposure is kept in any case."""
        if len(self._waiting) >= self._most:
            for shadow in comparison.experiment.shadows:
                self._metrics.shadow_answers.labels(shadow.name, "dropped").inc()
            self._keep(comparison.exposure)
            return
        self._waiting.append(comparison)
        self._arrived.set()

    async def run(self) -> None:
        """Compare what arrives until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            await asyncio.sleep(PAUSE_SECONDS)
            while self._waiting:
                batch = self._next()  # it stays in the queue until it is done
                for exposure in await self._compared(batch[0].experiment, batch):
                    self._waiting.popleft()
                    self._keep(exposure)

    def close(self) -> None:
        """Keep the exposures that still wait as they are."""
        while self._waiting:
            self._keep(self._waiting.popleft().exposure)

    def _next(self) -> list[Comparison]:
        """Return the first comparisons that wait, all of one experiment."""
        first = self._waiting[0].experiment
        return list(takewhile(lambda each: each.experiment is first, islice(self._waiting, TOGETHER)))

    async def _compared(self, experiment: Experiment, batch: Sequence[Comparison]) -> list[Exposure]:
        """Exposures with what the comparison tells."""
        is_split = experiment.design is Design.SPLIT
        asked = [*(experiment.variants if is_split else ()), *experiment.shadows]
        found = dict(zip(asked, await asyncio.gather(*(self._ask(each, batch) for each in asked)), strict=True))
        for shadow in experiment.shadows:
            self._observe(shadow, found[shadow], batch)
        if not is_split:
            return [each.exposure for each in batch]
        return [
            _with_propensity(each, {variant.name: own.lists[n] for variant, own in found.items()})
            for n, each in enumerate(batch)
        ]

    async def _ask(self, variant: Variant, batch: Sequence[Comparison]) -> _Found:
        """Ask a variant or shadow what it would have shown, unless it was shown."""
        lists = [each.exposure.items if each.exposure.variant == variant.name else None for each in batch]
        missing = [n for n, items in enumerate(lists) if items is None]
        if not missing:
            return _Found(lists=lists, milliseconds=0.0)
        try:
            answered = await self._sources.ask_later(variant.serves, [batch[n].question for n in missing])
        except EngineGoneError:
            return _Found(lists=lists, milliseconds=0.0)
        for n, answer in zip(missing, answered.answers, strict=True):
            if is_sound(answer):
                lists[n] = tuple(item["item_id"] for item in answer["items"])
        return _Found(lists=lists, milliseconds=answered.timings["engine"])

    def _observe(self, shadow: Variant, found: _Found, batch: Sequence[Comparison]) -> None:
        """Tell metrics and log how much a shadow agrees with what was shown, and its time."""
        if found.milliseconds:
            self._metrics.shadow_seconds.labels(shadow.name).observe(found.milliseconds / 1000)
        for each, items in zip(batch, found.lists, strict=True):
            self._metrics.shadow_answers.labels(shadow.name, "failed" if items is None else "compared").inc()
            if items is None:
                continue
            shown = each.exposure
            overlap = len({*items} & {*shown.items}) / max(1, len(shown.items))
            self._metrics.shadow_overlap.labels(shadow.name).observe(overlap)
            told = {"experiment": shown.experiment, "variant": shown.variant, "request_id": shown.request_id}
            measured = {"overlap": round(overlap, 4), "milliseconds": found.milliseconds}
            logger.info("shadow", extra={"shadow": shadow.name, **told, **measured})


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Lists of one variant or shadow for a batch."""

    lists: list[tuple[str, ...] | None]
    """Items by comparison; None where it has no answer of its own."""
    milliseconds: float
    """Time of the batch in its engine; 0 where it was not asked."""


def _with_propensity(comparison: Comparison, lists: dict[str, tuple[str, ...] | None]) -> Exposure:
    """Exposure with the probability of its answer, where every variant and shadow has one."""
    answers = {name: items for name, items in lists.items() if items is not None}
    exposure = comparison.exposure
    if len(answers) < len(lists):
        return exposure
    propensity, agreeing = compare_answers(comparison.experiment, exposure.items, answers)
    return replace(exposure, answer_propensity=propensity, agreeing=agreeing)
