"""What others reached: published figures, and those of a `peers` file that stands beside a corpus.

NAB: final_results.json of numenta/NAB ea702d75, whole corpus, threshold optimised on it. `told` marks entries that are
given the range (or more) of a whole file in advance.  SKAB: leaderboard of waico/SKAB b2c0d46c, all files, outliers;
`told` marks entries that look ahead.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Peer:
    """One published entry: its figures in the order of the report, and whether it was told more than the past."""

    name: str
    figures: tuple[float, ...]
    told: bool = False
    here: tuple[float, ...] = ()


# standard, reward low FP, reward low FN
NAB = (
    Peer("ARTime", (74.9, 65.2, 80.4), told=True),
    Peer("Numenta HTM", (70.1, 63.1, 74.3), told=True),
    Peer("CAD OSE", (69.9, 67.0, 73.2), told=True),
    Peer("HTM Java", (65.5, 53.3, 70.4), told=True),
    Peer("earthgecko Skyline", (58.2, 46.2, 63.8)),
    Peer("KNN CAD", (58.0, 43.4, 64.8)),
    Peer("Relative Entropy", (54.6, 47.6, 58.8), told=True),
    Peer("Random Cut Forest", (51.7, 38.4, 59.7)),
    Peer("Twitter ADVec", (47.1, 33.6, 53.5)),
    Peer("Windowed Gaussian", (39.6, 20.9, 47.4)),
)
# F1, FAR %, MAR %
SKAB = (
    Peer("Conv-AE", (0.78, 13.6, 28.0), told=True),
    Peer("MSET", (0.78, 39.7, 14.1), told=True),
    Peer("T2 + Q (PCA)", (0.76, 26.6, 24.9)),
    Peer("LSTM-AE", (0.74, 30.0, 25.9), told=True),
    Peer("T2", (0.66, 19.2, 42.6)),
    Peer("every row flagged", (0.70, 100.0, 0.0)),
)
_NAB_KEYS = {
    "ARTime": "ARTime",
    "Numenta HTM": "numenta",
    "CAD OSE": "contextOSE",
    "HTM Java": "htmjava",
    "earthgecko Skyline": "earthgeckoSkyline",
    "KNN CAD": "knncad",
    "Relative Entropy": "relativeEntropy",
    "Random Cut Forest": "randomCutForest",
    "Twitter ADVec": "twitterADVec",
    "Windowed Gaussian": "windowedGaussian",
}
_SKAB_KEYS = {
    "Conv-AE": "Conv_AE",
    "MSET": "MSET",
    "T2 + Q (PCA)": "T2-q",
    "LSTM-AE": "LSTM_AE",
    "T2": "T2",
    "every row flagged": "_all_ones",
}


def nab_peers(root: Path) -> list[Peer]:
    """Return the peers, with their figures on these very files when `root/peers/*.csv` has them."""
    path = root / "peers" / "peers_public_subset.csv"
    rows = _rows(path)
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["detector"], []).append(float(row["public_opt"]))
    return [_with(peer, tuple(found.get(_NAB_KEYS[peer.name], ()))) for peer in NAB]


def skab_peers(root: Path) -> list[Peer]:
    """Return the peers, with their figures on these very files when `root/peers_public_subset.csv` has them."""
    rows = [row for row in _rows(root / "peers_public_subset.csv") if row["subset"] == "public"]
    found = {row["detector"]: (float(row["F1"]), float(row["FAR"]), float(row["MAR"])) for row in rows}
    return [_with(peer, found.get(_SKAB_KEYS[peer.name], ())) for peer in SKAB]


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _with(peer: Peer, here: tuple[float, ...]) -> Peer:
    return Peer(peer.name, peer.figures, peer.told, here)
