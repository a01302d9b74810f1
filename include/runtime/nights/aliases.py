"""MLflow's alias ``champion``, which anybody may move by hand: it follows the champion, and decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from include.core.errors import RegistryError
from include.core.events import ChampionRolledBack
from include.steps import Platform

#: Up to which rollback aliases have followed is kept in the ledger under this name.
_FOLLOWING = "aliases after rollbacks"


@dataclass(frozen=True, kw_only=True)
class AliasFault:
    """What was wrong with an alias, in a sentence. ``late``: nobody moved it, it had not followed a rollback yet."""

    text: str
    late: bool


def put_back(platform: Platform, project: str) -> AliasFault | None:
    """Where MLflow's alias of *project* is not the champion's, put it back; what was found. ``None``: all is well.

    That MLflow cannot be reached is told, and stops nobody: nothing goes by it.
    """
    known = platform.champions.known(project)
    change = known.change()
    if change is None:
        return None
    try:
        moved = platform.versions.put_back(project, change.version.number if change.version else None)
    except RegistryError as error:
        return AliasFault(text=str(error), late=False)
    if moved is None:
        return None
    left = moved.pointed_to
    if left not in {each.left for each in known.rollbacks} or not _is_new(platform, project):
        return AliasFault(text=moved.text, late=False)
    now = f"version {change.version.number}, the champion" if change.version else "none, since nothing is in force"
    return AliasFault(
        text=f"in MLflow the alias 'champion' of {project} follows from version {left} to {now}", late=True
    )


def follow_rollbacks(platform: Platform) -> Sequence[str]:
    """Have the aliases of all projects that went back since the last call follow; what was found, a sentence each.

    Whoever goes back has the alias follow at once, but may be killed before it does.

    Raises:
        RegistryUnavailable: MLflow cannot be reached, or failed; the next call tries again.
    """
    after, _ = platform.ledger.delivered(_FOLLOWING)
    back = platform.ledger.all_of(ChampionRolledBack, after=after)
    found = []
    for project in sorted({event.project for _, event in back}):
        change = platform.champions.known(project).change()
        if change is not None:
            found.append(platform.versions.put_back(project, change.version.number if change.version else None))
    if back:
        platform.ledger.mark_delivered(_FOLLOWING, position=back[-1][0].position)
    return [moved.text for moved in found if moved]


def _is_new(platform: Platform, project: str) -> bool:
    """Whether *project* went back since :func:`follow_rollbacks` looked last."""
    after, _ = platform.ledger.delivered(_FOLLOWING)
    return any(event.project == project for _, event in platform.ledger.all_of(ChampionRolledBack, after=after))
