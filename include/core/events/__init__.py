"""Everything that is ever written into the ledger, one frozen dataclass a kind.

``kind`` and ``version`` are what the ledger stores beside the canonical bytes. A kind's fields never change once it is
published: a change is a new ``version`` and an upcaster in :mod:`include.ledger`. No event holds a personal value or a
token.

Each says its stream and, if it is a fact, the key under which it stands once, by the names in
:mod:`include.core.streams`. What has no key is an observation (an open, an attempt, a failure), recorded each time, or
is appended at the version of its stream that was read.

One file for each matter; all other code imports from here, and :mod:`include.ledger.kinds` finds the kinds here.
"""

from include.core.events.access import *
from include.core.events.event import *
from include.core.events.messages import *
from include.core.events.monitoring import *
from include.core.events.night import *
from include.core.events.retention import *
from include.core.events.training import *
