"""Checks the names of time zones."""

import difflib
import zoneinfo

# Entries of the database that are no time zones.
_NO_ZONES = frozenset({"Factory", "localtime", "posixrules"})


def time_zone_problem(name: str) -> str | None:
    """Return what is wrong with a time zone's name, or None.

    A machine without a time zone database (some containers have none) accepts every name; then
    Application Auto Scaling rejects a wrong one at the deployment.
    """
    known = zoneinfo.available_timezones() - _NO_ZONES
    if not known or name in known:
        return None
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}Expected the name of a time zone such as UTC or Europe/Berlin"
