"""The parts of Grafana's SDK that dashboards use, imported in one place.

The SDK calls its classic dashboard deprecated when it is imported; the classic form is what every Grafana
from 9 on reads, so that is what we write.
"""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import common as common_builders
    from grafana_foundation_sdk.builders import dashboard, prometheus, stat, table, timeseries
    from grafana_foundation_sdk.cog.builder import Builder
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.variants import Dataquery
    from grafana_foundation_sdk.models import common
    from grafana_foundation_sdk.models import dashboard as model

__all__ = [
    "Builder",
    "Dataquery",
    "JSONEncoder",
    "common",
    "common_builders",
    "dashboard",
    "model",
    "prometheus",
    "stat",
    "table",
    "timeseries",
]
