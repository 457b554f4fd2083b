"""The operator's page names every metric, and no other."""

import re
from pathlib import Path

from service.metrics import NotifierMetrics, PipelineMetrics

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def test_every_metric_is_documented_with_its_labels_and_every_documented_one_exists():
    written = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(
            r"^\| `(fengsui_\w+)` \| \w+ \|([^|]*)\|", PAGE.read_text(), re.MULTILINE
        )
    }
    ours = {}
    for metrics in (PipelineMetrics(), NotifierMetrics()):
        for metric in metrics.registry.collect():
            collector = metrics.registry._names_to_collectors[metric.name]
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            ours[name] = set(collector._labelnames)
    assert written == ours
