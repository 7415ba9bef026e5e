"""`kiungo keys` and `kiungo secrets`: who may come in, and the keys that seal secrets at rest."""

import re
from functools import partial
from typing import Annotated

import typer

from kiungo.app import roles
from kiungo.app.cli.opening import opened_database
from kiungo.app.cli.output import console, counted, fail, print_json, print_table, readable_errors
from kiungo.base.time import SECOND_US, iso_seconds
from kiungo.kernel.auth import system_call
from kiungo.kernel.auth.keys import ApiKey, create_key, list_keys, revoke_key, rotate_key
from kiungo.kernel.config import load_settings
from kiungo.kernel.secrets import Secrets, new_key, open_keyring

keys = typer.Typer(no_args_is_help=True, help="API keys: make, list, rotate, revoke.")
secrets = typer.Typer(no_args_is_help=True, help="The keys that seal secrets at rest.")

TENANT = 1
CALL = system_call(TENANT, name="cli")
DAY_S = 86_400
JsonOption = Annotated[bool, typer.Option("--json", help="For machines.")]
_BINDING = re.compile(r"([a-z]+)=(.+)\Z")


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, for people.")],
    role: Annotated[list[str] | None, typer.Option(help="A role of `kiungo keys roles`; repeatable.")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="A scope such as read:claims; repeatable.")] = None,
    binding: Annotated[list[str] | None, typer.Option(help="An owner such as provider=PROV-001; repeatable.")] = None,
    days: Annotated[int | None, typer.Option(help="Ends after so many days; never when left out.", min=1)] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API key and show it, this once."""
    bindings = dict(_binding(text) for text in binding or ())
    with readable_errors(), opened_database() as database:
        expires_us = None if days is None else database.clock.now_us() + days * DAY_S * SECOND_US
        work = partial(
            create_key,
            call=CALL,
            name=name,
            roles=role or (),
            scopes=scope or (),
            bindings=bindings,
            expires_us=expires_us,
        )
        key, text = database.write(work)
    if as_json:
        print_json({"id": key.id, "name": key.name, "key": text})
        return
    console.print(f"Key {key.id} for {key.name}:", markup=False)
    console.print(text, markup=False)
    console.print("It is shown only now; keep it where secrets are kept.")


@keys.command("list")
def show(as_json: JsonOption = False) -> None:
    """List the keys: their prefix, never the key."""
    with readable_errors(), opened_database() as database:
        found = database.read(lambda unit: list_keys(unit, TENANT, count=1_000))
        now_us = database.clock.now_us()
    if as_json:
        print_json([_described(key, now_us) for key in found])
        return
    columns = ["id", "name", "prefix", "state", "roles", "bindings", "last_used"]
    print_table("API keys", columns, [[_described(key, now_us)[column] for column in columns] for key in found])


@keys.command("roles")
def show_roles(as_json: JsonOption = False) -> None:
    """List the roles a key can have."""
    found = roles.kernel.all_roles().values()
    if as_json:
        print_json([{"name": role.name, "summary": role.summary, "scopes": sorted(role.scopes)} for role in found])
        return
    print_table("Roles", ["name", "for whom"], [[role.name, role.summary] for role in found])


@keys.command("rotate")
def rotate(
    key_id: Annotated[str, typer.Argument(help="The id `kiungo keys list` shows.")],
    overlap_hours: Annotated[float, typer.Option(help="How long the old key still works.", min=0)] = 24,
) -> None:
    """Make a key's successor; both work for the overlap."""
    with readable_errors(), opened_database() as database:
        key, text = database.write(lambda unit: rotate_key(unit, CALL, key_id, overlap_s=overlap_hours * 3_600))
    console.print(f"Key {key.id} follows {key_id}:", markup=False)
    console.print(text, markup=False)


@keys.command("revoke")
def revoke(key_id: Annotated[str, typer.Argument(help="The id `kiungo keys list` shows.")]) -> None:
    """End a key at once."""
    with readable_errors(), opened_database() as database:
        database.write(lambda unit: revoke_key(unit, CALL, key_id))
    console.print(f"Key {key_id} opens nothing any more.", markup=False)


@secrets.command("new-key")
def make_key(key_id: Annotated[str, typer.Option("--id", help="A name for the key.")] = "k1") -> None:
    """Print a fresh value for KIUNGO_SECRETS_KEY."""
    console.print(new_key(key_id), markup=False)


@secrets.command("rotate")
def seal_again() -> None:
    """Seal every secret with the first key of KIUNGO_SECRETS_KEY."""
    with readable_errors(), opened_database() as database:
        settings = load_settings()
        setting = settings.secrets_key.get_secret_value() if settings.secrets_key else None
        store = Secrets(open_keyring(setting, settings.data_dir, create=False))
        total = 0
        while changed := database.write(store.rotate):
            total += changed
    console.print(
        f"{counted(total, 'secret was', 'secrets were')} sealed again; the other keys may leave KIUNGO_SECRETS_KEY."
    )


def _binding(text: str) -> tuple[str, str]:
    match = _BINDING.match(text)
    if match is None:
        fail(f"{text!r} is not a binding", hint="Write provider=PROV-001")
    return match[1], match[2]


def _described(key: ApiKey, now_us: int) -> dict[str, str | None]:
    state = "live" if key.is_live(now_us) else "revoked" if key.revoked_us else "expired"
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "state": state,
        "roles": " ".join(sorted(key.roles)),
        "scopes": " ".join(sorted(key.scopes)),
        "bindings": " ".join(f"{name}={value}" for name, value in sorted(key.bindings.items())),
        "last_used": iso_seconds(key.last_used_us) if key.last_used_us else None,
    }
