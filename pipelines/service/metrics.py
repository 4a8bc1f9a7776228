"""What `/metrics` shows. Counted here, or asked for at the moment of the call (`Metrics.ask`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

logger = logging.getLogger("crosswalk.service")
Samples = Iterable[tuple[Mapping[str, str], float]]
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.08, 0.15, 0.3, 1, 3, 10, 60)


class Metrics:
    """The service's own registry: two applications in one process do not share their counts.

    Attributes:
        requests: by method, route and status.
        latency: seconds, by route.
        records: by stage and metric (extract/new, push/pushed, sync_users/created, ...).
        failures: by kind.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        known = self.registry
        self.requests = Counter("crosswalk_requests", "Calls", ["method", "route", "status"], registry=known)
        self.latency = Histogram(
            "crosswalk_request_seconds", "Time to answer", ["route"], registry=known, buckets=SECONDS
        )
        self.records = Counter("crosswalk_records", "Records, by stage", ["stage", "metric"], registry=known)
        self.failures = Counter("crosswalk_failures", "What failed", ["kind"], registry=known)

    def ask(self, name: str, text: str, labels: list[str], samples: Callable[[], Samples]) -> None:
        """A gauge whose samples, as (labels, value), are asked for whenever somebody looks."""
        self.registry.register(_Asked(name, text, labels, samples))


class _Asked(Collector):
    def __init__(self, name: str, text: str, labels: list[str], samples: Callable[[], Samples]) -> None:
        self._name, self._text, self._labels, self._samples = name, text, labels, samples

    def describe(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        try:
            for labels, value in self._samples():
                family.add_metric([labels.get(name, "") for name in self._labels], value)
        except (sa.exc.SQLAlchemyError, OSError):
            logger.warning("%s cannot be told: the store cannot be reached", self._name)
        yield family
