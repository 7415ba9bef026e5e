"""The keys that sign access tokens: the first signs, all verify, so that a key can be changed in two steps."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey, import_key

from kiungo.base.errors import Incorrect, define
from kiungo.kernel import json
from kiungo.kernel.config import Settings

SIGNING_KEY_MISSING = define("SIGNING_KEY_MISSING", Incorrect, "There is no key to sign access tokens with.")
SIGNING_KEY_WRONG = define("SIGNING_KEY_WRONG", Incorrect, "The signing key is no private EC or RSA key.")

PublicKey = ECKey | RSAKey
RSA_BITS_MIN = 2048
KEY_FILE = "signing-key.pem"
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.+?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_CURVES = {"P-256": "ES256", "P-384": "ES384"}


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Private keys by key id. Shapes: `primary` is the id of the one that signs."""

    primary: str
    keys: Mapping[str, PublicKey]
    algorithms: Mapping[str, str]

    def __repr__(self) -> str:
        return f"SigningKeys(primary={self.primary!r}, {len(self.keys)} keys)"

    def published(self) -> dict[str, Any]:
        """The public halves, as a JWK set."""
        return {
            "keys": [
                {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": self.algorithms[kid]}
                for kid, key in self.keys.items()
            ]
        }


def open_signing_keys(settings: Settings) -> SigningKeys:
    """The keys of the settings; in dev and demo without one, that of a file made on first use.

    Raises: Incorrect SIGNING_KEY_MISSING, SIGNING_KEY_WRONG.
    """
    if settings.signing_key is not None:
        return parse_signing_keys(settings.signing_key.get_secret_value(), "KIUNGO_SIGNING_KEY")
    if settings.signing_key_file is not None:
        return parse_signing_keys(_text_of(settings.signing_key_file), "KIUNGO_SIGNING_KEY_FILE")
    if settings.mode == "serve":
        raise Incorrect(
            SIGNING_KEY_MISSING,
            "serve needs a key to sign access tokens with",
            field="KIUNGO_SIGNING_KEY",
            hint="openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt",
        )
    return parse_signing_keys(_made_once(settings.data_dir / KEY_FILE), str(settings.data_dir / KEY_FILE))


def parse_signing_keys(text: str, where: str) -> SigningKeys:
    """Read one or several private keys: PEM blocks one after another, a JWK, or a JWK set.

    Raises: Incorrect SIGNING_KEY_WRONG, which never repeats the key.
    """
    sources: list[Any] = _PEM.findall(text)
    try:
        if not sources and text.lstrip().startswith("{"):
            value = json.loads(text)
            sources = value.get("keys", [value])
        keys: dict[str, PublicKey] = {}
        algorithms: dict[str, str] = {}
        for source in sources:
            key = import_key(source, _kind_of(source))
            if not isinstance(key, (ECKey, RSAKey)) or not key.is_private:
                raise ValueError("not a private EC or RSA key")
            algorithm = algorithm_of(key)
            keys[key.thumbprint()] = key
            algorithms[key.thumbprint()] = algorithm
        return SigningKeys(next(iter(keys)), keys, algorithms)
    except (JoseError, ValueError, KeyError, TypeError, StopIteration, Incorrect) as problem:
        raise Incorrect(
            SIGNING_KEY_WRONG,
            f"{where} holds no usable private key ({type(problem).__name__})",
            field=where,
            hint="It takes PEM (EC P-256 or P-384, RSA of 2048 bits or more) or a private JWK",
        ) from None


def algorithm_of(key: PublicKey) -> str:
    """The one algorithm a key is used with. Raises: ValueError for a weak or unknown key."""
    if isinstance(key, RSAKey):
        if key.public_key.key_size < RSA_BITS_MIN:
            raise ValueError("RSA key too short")
        return "RS256"
    curve = str(key.as_dict(private=False)["crv"])
    if curve not in _CURVES:
        raise ValueError("unknown curve")
    return _CURVES[curve]


def _kind_of(source: str | dict[str, Any]) -> Literal["EC", "RSA"]:
    """Which of the two kinds a PEM block or JWK is. Raises: ValueError for another."""
    if isinstance(source, dict):
        kinds: dict[str, Literal["EC", "RSA"]] = {"EC": "EC", "RSA": "RSA"}
        return kinds[str(source.get("kty"))]
    key = load_pem_private_key(source.encode("ascii"), password=None)
    if isinstance(key, EllipticCurvePrivateKey):
        return "EC"
    if isinstance(key, RSAPrivateKey):
        return "RSA"
    raise ValueError("neither EC nor RSA")


def algorithms_of(key: PublicKey) -> list[str]:
    """Every algorithm a signature of this key may have; an RSA key may also sign with the longer hash."""
    return ["RS256", "RS384"] if isinstance(key, RSAKey) else [algorithm_of(key)]


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise Incorrect(
            SIGNING_KEY_WRONG,
            f"KIUNGO_SIGNING_KEY_FILE cannot be read: {problem.strerror}",
            field="KIUNGO_SIGNING_KEY_FILE",
            hint="Name a file this process may read",
        ) from None


def _made_once(path: Path) -> str:
    """Read the key file, or make it, readable by its owner alone; of two makers at once one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii")
    with os.fdopen(handle, "wb") as file:
        pem = ECKey.generate_key("P-256").as_pem(private=True)
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return pem.decode("ascii")
