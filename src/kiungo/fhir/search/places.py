"""`near`: places within a distance of a point, exactly, by plain arithmetic that both engines have.

A place is kept as its latitude, for the range of the index, and as a point on the unit sphere: two places are
within a distance when the straight line between their points is short enough.
Source: FHIR R4 Location, near: [latitude]|[longitude]|[distance]|[units].
"""

import math

from kiungo.base.errors import Incorrect
from kiungo.fhir.indexing.parameters import parameters_of
from kiungo.fhir.indexing.values import sphere_point
from kiungo.fhir.search.asked import SEARCH_VALUE_WRONG, Near
from kiungo.fhir.search.matching import Match, Scope

EARTH_RADIUS_KM = 6371.0088
DISTANCE_DEFAULT_KM = 50.0
HALF_ROUND_KM = 20_100.0
# UCUM units of length that people give distances in.
UNITS_KM = {"": 1.0, "km": 1.0, "m": 0.001, "[mi_i]": 1.609344, "mi": 1.609344, "[nmi_i]": 1.852}


def parse_near(parts: tuple[str, ...]) -> Near:
    """Read a `near` value's parts. Raises: Incorrect SEARCH_VALUE_WRONG."""
    given = [*parts, "", "", ""][: max(4, len(parts))]
    try:
        latitude, longitude = float(given[0]), float(given[1])
        distance = float(given[2]) if given[2] else DISTANCE_DEFAULT_KM
        unit = UNITS_KM[given[3]] if given[2] else 1.0
    except (ValueError, KeyError):
        raise _wrong() from None
    if len(given) > 4 or not (abs(latitude) <= 90 and abs(longitude) <= 180 and 0 <= distance < math.inf):
        raise _wrong()
    return Near(latitude, longitude, min(distance * unit, HALF_ROUND_KM))


def place_match(scope: Scope, near: Near) -> Match:
    """The rows of the places within the distance."""
    key = scope.key(parameters_of("Location")["near"].sources[0])
    reach = math.degrees(near.distance_km / EARTH_RADIUS_KM)
    angle = min(near.distance_km / EARTH_RADIUS_KM, math.pi)
    line = 2 * math.sin(angle / 2)
    x, y, z = sphere_point(near.latitude, near.longitude)
    where = (
        "x.k = ? AND x.latitude >= ? AND x.latitude <= ? AND (x.px - ?) * (x.px - ?) + (x.py - ?) * (x.py - ?) "
        "+ (x.pz - ?) * (x.pz - ?) <= ?"
    )
    # A hair more than the line, so that a place is within no distance of itself whatever the rounding.
    return Match(
        "fhir_position",
        where,
        (key, near.latitude - reach - 1e-9, near.latitude + reach + 1e-9, x, x, y, y, z, z, line * line + 1e-18),
    )


def _wrong() -> Incorrect:
    return Incorrect(
        SEARCH_VALUE_WRONG,
        "near is latitude|longitude|distance|unit",
        field="near",
        hint="Write near=-1.286|36.817|10|km; units are " + ", ".join(u for u in UNITS_KM if u),
    )
