"""An artifact stays for the shortest of its datasets' times after its last use, and as long as anything keeps it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.records import ArtifactKind
from include.governance.retention import ArtifactReference, endings

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
KINDS, DATASETS, ARTIFACTS = list(ArtifactKind), ["a", "b", "c"], ["x", "y"]

days = st.integers(0, 40) | st.floats(0, 40).map(lambda value: round(value, 2))
times = st.dictionaries(st.sampled_from(DATASETS), st.dictionaries(st.sampled_from(KINDS), days))
references = st.builds(
    ArtifactReference,
    artifact=st.sampled_from(ARTIFACTS),
    kind=st.sampled_from(KINDS),
    project=st.just("p"),
    datasets=st.sets(st.sampled_from(DATASETS)).map(lambda names: tuple(sorted(names))),
    last_use=st.integers(0, 100).map(lambda passed: NOON + timedelta(days=passed)),
)


@given(found=st.lists(references, max_size=6), declared=times)
@settings(max_examples=100, deadline=None)
def test_an_artifact_is_due_once_each_of_its_references_has_had_the_shortest_time_of_its_datasets(
    found: list[ArtifactReference], declared: dict[str, dict[ArtifactKind, float]]
) -> None:
    ends = endings(found, declared)
    for artifact in ARTIFACTS:
        kept_until = []
        for each in (each for each in found if each.artifact == artifact):
            allowed = [
                own[each.kind] if each.kind in own else own[ArtifactKind.SNAPSHOT]
                for own in (declared.get(name, {}) for name in each.datasets)
                if each.kind in own or ArtifactKind.SNAPSHOT in own
            ]
            kept_until.append(each.last_use + timedelta(days=max(1, min(allowed))) if allowed else None)
        if not kept_until or None in kept_until:
            assert artifact not in ends
        else:
            assert ends[artifact].due_since == max(end for end in kept_until if end is not None)


def test_the_rule_of_an_ending_names_the_dataset_and_the_kind_that_decided() -> None:
    model = ArtifactReference(artifact="x", kind=ArtifactKind.SCORES, project="p", datasets=("a", "b"), last_use=NOON)
    ends = endings([model], {"a": {ArtifactKind.SNAPSHOT: 30}, "b": {ArtifactKind.SCORES: 40}})
    assert ends["x"].rule == "30 days after the last use, as a declares for snapshot"
