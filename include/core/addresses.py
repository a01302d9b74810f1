"""Addresses as they may be shown."""

import re


def without_credentials(address: str) -> str:
    """*address* (a URL, valid or not) without what signs in: all between ``//`` and the last ``@`` before its path."""
    return re.sub(r"//[^/?#]*@", "//", address, count=1)
