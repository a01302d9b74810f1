"""MLflow's alias ``champion``, which anybody may move by hand: it follows the champion, and decides nothing."""

from include.core.errors import RegistryError
from include.steps import Platform


def put_back(platform: Platform, project: str) -> str | None:
    """Where MLflow's alias of *project* is not the champion's, put it back; what was found, in a sentence.

    ``None``: all is well. That MLflow cannot be reached is told, and stops nobody: nothing goes by it.
    """
    champion = platform.champions.in_force(project)
    if champion is None:
        return None
    try:
        return platform.versions.put_back(project, champion.number)
    except RegistryError as error:
        return str(error)
