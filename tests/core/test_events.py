"""Each event says where it stands; that it does is held against real ledgers where nights and decisions are tested."""

import pytest

from include.core import streams
from include.core.events import Event
from include.ledger.kinds import KINDS
from tests.core.documented import templates

NAMES = {each.template for each in vars(streams).values() if isinstance(each, streams.Name)}
NAMES |= {each for name, each in vars(streams).items() if name.isupper()}


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_an_events_docstring_names_its_stream_and_key_as_they_are_made(kind: type[Event]) -> None:
    assert templates(kind, "stream")
    assert {*templates(kind, "stream"), *templates(kind, "key")} - {"received/<body>"} <= NAMES


def test_every_name_that_is_made_is_documented_by_an_event() -> None:
    assert {name for kind in KINDS.values() for what in ("stream", "key") for name in templates(kind, what)} >= NAMES


def test_a_name_takes_a_value_for_each_of_its_places() -> None:
    assert streams.step_key("p", "plan", "sha256:1") == "step/p/plan/sha256:1"
    with pytest.raises(TypeError, match=r"run/<project>/<run_id> takes 2 values, not 1"):
        streams.run("p")
