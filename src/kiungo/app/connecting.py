"""The settings of what is connected, as the variables that would say the same."""

from collections.abc import Collection
from dataclasses import fields
from typing import Any

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from kiungo.app.registry import ConnectorSettings
from kiungo.kernel import json


def variables(settings: ConnectorSettings, *, but: Collection[str] = ()) -> dict[str, str]:
    """Each variable that is not at its default, secrets in the clear. Shapes: `but` names connectors left out."""
    found: dict[str, str] = {}
    for one in fields(settings):
        given = getattr(settings, one.name)
        if one.name in but or not isinstance(given, BaseSettings):
            continue
        prefix = str(given.model_config["env_prefix"])
        for name, field in type(given).model_fields.items():
            value = getattr(given, name)
            if value is not None and value != field.default:
                found[prefix + name.upper()] = _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value).decode()
    return str(value)
