"""The credentials of sources: a file that only the reader is given, a section for each server."""

from collections.abc import Collection, Mapping
from configparser import ConfigParser, Error
from pathlib import Path

from include.core.errors import DeclarationError
from include.governance import secrets

_VARIABLE = "TRAINYARD_SOURCE_CREDENTIALS_FILE"


def credentials_of(file: Path | None, section: str, *, known: Collection[str]) -> Mapping[str, str]:
    """What *file* says of *section*, or else in ``[default]``, by keys that are *known*.

    Raises:
        DeclarationError: there is no file, or no such section, or it holds what is none of that.
        AuthorityError: the file cannot be read, or somebody but its owner may read it.
    """
    rule = f"{_VARIABLE} names a file with the reader's credentials, in a section [{section}] or [default]"
    remedy = f"Write one, mode 0600, and name it to the reader. Keys of a section: {', '.join(known)}."
    if file is None:
        raise DeclarationError(rule, value="it is not set", remedy=remedy)
    parser = ConfigParser(interpolation=None, default_section="", delimiters=("=",))
    try:
        parser.read_string(secrets.read(file).decode())
    except (Error, UnicodeDecodeError):  # their messages quote the line
        raise DeclarationError(rule, value=f"{file} is no file of sections", remedy=remedy) from None
    named = next((name for name in (section, "default") if parser.has_section(name)), None)
    if named is None:
        raise DeclarationError(rule, value=f"{file} has no such section", remedy=remedy)
    found = dict(parser[named])
    if unknown := sorted(found.keys() - set(known)):
        raise DeclarationError(rule, value=f"{unknown} in [{named}] of {file}", remedy=remedy)
    return found
