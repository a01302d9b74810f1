"""A night whose artifacts lie in a bucket."""

from dataclasses import replace

from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, Night, Yard


def test_a_night_has_the_same_digests_in_a_bucket_as_in_folders_and_reuses_what_lies_there(
    make_yard: MakeYard, s3_url: str, done: tuple[Yard, Night]
) -> None:
    _, known = done
    yard = make_yard()
    yard.settings = replace(yard.settings, store=f"{s3_url}/store", vault=f"{s3_url}/vault")
    yard.grant(FLIGHTS)
    night = yard.night()
    assert night.digests == known.digests
    assert night.promotion == known.promotion
    assert not (yard.home / "vault").exists()
    assert not (yard.home / "store").exists()
    again = yard.night(run_id="again")
    assert again.digests == night.digests
    assert yard.attempts("again")["train-0"] == ["step_reused"]
