"""The contracts that come with Trainyard, by the digests of their files: an adoption of an earlier one is renewed."""

#: As they are now.
CURRENT = frozenset(
    {
        "sha256:14c639c16e02c77dd2cfba320eb667e2c405ac82f7862976b637c97adb712f8d",  # airports
        "sha256:63f3e97f1ad27f226c47da97761af0e61629e68d0418af7a902c9395f7834454",  # flights
        "sha256:faecb2c3ea95e90b0f8ebf625e343a2d2d56e0e0b84c92468cdac54665df8b3a",  # planes
        "sha256:54ae5b6dee487f7a57af0a0947396a9eb737e2fb27d1e5841dbe2547b89d9911",  # weather
    }
)

#: As earlier releases had them.
EARLIER = frozenset(
    {
        "sha256:27e9aace4db1d8e2f658fd0746c6443610e3136c626357233e00e9e2bd6c7c9a",  # airports 1.0.0
        "sha256:31d0bef038e9fe0acc127215eb4e0a6b920b95b9ec04fb80b8048f61707b1f26",  # flights 1.0.0
        "sha256:208b9c91332617de928660f1971936bf45243b20ff48108fbcd66d0c070f14b5",  # planes 1.0.0
        "sha256:d8d34924871cc599a85e8d2ebd7ab4cad5851689f815f83687f3e54779c2756f",  # weather 1.0.0
    }
)


def renews(adopted: str | None, file: str) -> bool:
    """Whether *file* is a contract of ours as it is now, and what is *adopted* one of an earlier release.

    Both are digests. What somebody has edited is adopted by nobody but its steward.
    """
    return file in CURRENT and adopted in EARLIER
