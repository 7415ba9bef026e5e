"""Reading a signed JWT: the key decides the algorithm, never the token."""

from collections.abc import Callable, Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jws import deserialize_compact, extract_compact

from kiungo.base.errors import Incorrect
from kiungo.kernel import json
from kiungo.kernel.auth.signing import PublicKey, algorithms_of

JWT_BYTES_MAX = 8_192
KeyChoice = Callable[[Mapping[str, Any]], "PublicKey | None"]


def verified(token: bytes, choose_key: KeyChoice) -> tuple[Mapping[str, Any], dict[str, Any]] | None:
    """Header and claims of a token signed with the chosen key, or None when it is not.

    Shapes: `choose_key` gets the unverified header and names one of our known keys by `kid` only; the
    algorithm is that key's own, so a token cannot choose a weaker one.
    """
    if len(token) > JWT_BYTES_MAX or token.count(b".") != 2:
        return None
    try:
        header = extract_compact(token).headers()
        key = choose_key(header)
        if key is None or header.get("alg") not in algorithms_of(key):
            return None
        claims = json.loads(deserialize_compact(token, key, algorithms=algorithms_of(key)).payload)
    except (JoseError, Incorrect, ValueError, KeyError, TypeError):
        return None
    return (header, claims) if isinstance(claims, dict) else None
