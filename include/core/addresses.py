"""Addresses as they may be shown."""

import re

#: Parameters of a query whose values sign in, by what their names hold.
_SIGNS_IN = re.compile(r"([?&][^=&#]*(?:key|token|secret|passw|sig)[^=&#]*=)[^&#]+", re.IGNORECASE)


def without_credentials(address: str) -> str:
    """*address* (a URL, valid or not) without what signs in.

    That is all between ``//`` and the last ``@`` before its path, and the values of keys and passwords in its query.
    """
    return _SIGNS_IN.sub(r"\1…", without_user(address))


def without_user(address: str) -> str:
    """*address* without all between ``//`` and the last ``@`` before its path."""
    return re.sub(r"//[^/?#]*@", "//", address, count=1)
