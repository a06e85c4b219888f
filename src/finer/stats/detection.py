"""Signal detection: how well a model tells right queries from wrong ones (d'), and which way it leans (criterion).

"Yes" to a right query is a hit; whatever is not "no" to a wrong query is a false alarm. Shares of 0 and 1 have no
finite z, so counts get the log-linear correction: 0.5 is added to the hits and to the false alarms and 1 to the
queries of either kind, always, not only at the edge (Hautus 1995, Behavior Research Methods 27(1), 46-51).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from finer.stats.intervals import Array


def d_prime_and_criterion(hits: Array, right: Array, false_alarms: Array, wrong: Array) -> tuple[Array, Array]:
    """Return d' = z(H) - z(F) and the criterion -(z(H) + z(F)) / 2 from counts of any equal shape.

    d' is 0 for a model that does not see; the criterion is positive for one that leans to "no".
    """
    z_hit = np.asarray(ndtri((hits + 0.5) / (right + 1)), dtype=np.float64)
    z_alarm = np.asarray(ndtri((false_alarms + 0.5) / (wrong + 1)), dtype=np.float64)
    return z_hit - z_alarm, -(z_hit + z_alarm) / 2
