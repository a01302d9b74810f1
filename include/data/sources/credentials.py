"""The credentials of sources: a file that only the reader is given, a section for each server."""

from collections.abc import Collection, Mapping
from configparser import ConfigParser, Error
from pathlib import Path

from include.core.errors import DeclarationError
from include.governance import secrets

_VARIABLE = "TRAINYARD_SOURCE_CREDENTIALS_FILE"


def credentials_of(
    file: Path | None, section: str, *, known: Collection[str], default: bool = True
) -> Mapping[str, str]:
    """What *file* says of *section*, or else (with *default*) in ``[default]``, by keys that are *known*.

    A known key that ends with ``*`` is all that begin so.

    Raises:
        DeclarationError: there is no file, or no such section, or it holds what is none of that.
        AuthorityError: the file cannot be read, or somebody but its owner may read it.
    """
    sections = (section, "default") if default else (section,)
    named_so = " or ".join(f"[{name}]" for name in sections)
    rule = f"{_VARIABLE} names a file with the reader's credentials, in a section {named_so}"
    remedy = f"Write one, mode 0600, and name it to the reader. Keys of a section: {', '.join(known)}."
    if file is None:
        raise DeclarationError(rule, value="it is not set", remedy=remedy)
    parser = ConfigParser(interpolation=None, default_section="", delimiters=("=",))
    try:
        parser.read_string(secrets.read(file).decode())
    except (Error, UnicodeDecodeError):  # their messages quote the line
        raise DeclarationError(rule, value=f"{file} is no file of sections", remedy=remedy) from None
    named = next((name for name in sections if parser.has_section(name)), None)
    if named is None:
        raise DeclarationError(rule, value=f"{file} has no such section", remedy=remedy)
    found = dict(parser[named])
    begin = tuple(key.rstrip("*") for key in known if key.endswith("*"))
    if unknown := sorted(key for key in found if key not in known and not (begin and key.startswith(begin))):
        raise DeclarationError(rule, value=f"{unknown} in [{named}] of {file}", remedy=remedy)
    return found
