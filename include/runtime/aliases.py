"""MLflow's alias ``champion``, which anybody may move by hand: it follows the champion, and decides nothing."""

from collections.abc import Sequence

from include.core.errors import RegistryError
from include.core.events import ChampionRolledBack
from include.steps import Platform

#: Up to which rollback aliases have followed is kept in the ledger under this name.
_FOLLOWING = "aliases after rollbacks"


def put_back(platform: Platform, project: str) -> str | None:
    """Where MLflow's alias of *project* is not the champion's, put it back; what was found, in a sentence.

    ``None``: all is well. That MLflow cannot be reached is told, and stops nobody: nothing goes by it.
    """
    change = platform.champions.known(project).change()
    if change is None:
        return None
    try:
        return platform.versions.put_back(project, change.version.number if change.version else None)
    except RegistryError as error:
        return str(error)


def follow_rollbacks(platform: Platform) -> Sequence[str]:
    """Have the aliases of all projects that went back since the last call follow; what was found, a sentence each.

    Whoever goes back has the alias follow at once, but may be killed before it does.

    Raises:
        RegistryUnavailable: MLflow cannot be reached, or failed; the next call tries again.
    """
    after, _ = platform.ledger.delivered(_FOLLOWING)
    entries = platform.ledger.read_all(after=after, kinds=(ChampionRolledBack,))
    found = []
    for project in sorted({entry.event.project for entry in entries if isinstance(entry.event, ChampionRolledBack)}):
        change = platform.champions.known(project).change()
        if change is not None:
            found.append(platform.versions.put_back(project, change.version.number if change.version else None))
    if entries:
        platform.ledger.mark_delivered(_FOLLOWING, position=entries[-1].position)
    return [told for told in found if told]
