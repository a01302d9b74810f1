"""The values that cross rooms. Frozen, keyword-only, encodable by :mod:`include.core.canonical`.

One file for each matter; all other code imports from here.
"""

from include.core.records.access import *
from include.core.records.contract import *
from include.core.records.days import *
from include.core.records.environment import *
from include.core.records.evaluation import *
from include.core.records.monitoring import *
from include.core.records.night import *
from include.core.records.profile import *
from include.core.records.retention import *
from include.core.records.training import *
