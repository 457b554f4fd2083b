"""One case per method: parameters, and a limit."""

import math

# method -> parameters that differ by series, and a limit that material between 0 and 100 crosses now and then
CASES = {
    "value": ({}, 90.0),
    "rate": ({"max_gap_s": [60.0, math.inf]}, 8.0),
    "ewma": ({"alpha": [0.05, 0.3], "floor": [1.0, 5.0], "warmup": [0.0, 20.0]}, 2.0),
    "cusum": ({"mean": [50.0, 30.0], "sigma": [20.0, 5.0], "k": [0.5, 1.0], "cap": [20.0, 8.0]}, 4.0),
    "hampel": ({"floor": [1.0, 0.1]}, 3.0),
    "stuck": ({"eps": [0.0, 2.0], "max_gap_s": [math.inf, 60.0]}, 20.0),
    "thermal": ({"tau_s": [600.0, 60.0], "k_ib": [60.0, 80.0]}, 0.8),
    "slope": ({"window_s": [60.0, 300.0]}, 0.5),
    "step": ({"window_s": [600.0, 90.0]}, 30.0),
    "mean": ({"window_s": [60.0, 200.0], "above": [math.nan, 50.0], "max_gap_s": [math.inf, 60.0]}, 0.6),
    "count": ({"above": [60.0, 90.0], "window_s": [60.0, 300.0]}, 3.0),
    "counter": ({"modulus": [100.0, 1000.0], "most": [30.0, 950.0]}, 40.0),
    "seasonal": ({"floor": [5.0, 1.0], "slot_s": [1.0, 4.0], "clip": [0.5, 0.1]}, 1.5),
    "production": ({"idle": [20.0, 40.0], "margin": [30.0, 10.0], "day_s": [120.0, 30.0]}, 0.5),
}
