"""Every setting of the platform, read from `KIUNGO_...` variables once at start.

Three modes: `dev` (a laptop), `demo` (the guided story) and `serve` (everything else). `serve` is secure
by default and refuses to start without its keys; `dev` and `demo` make what they need in the data folder.
"""

import difflib
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from kiungo.base.errors import Detail, Incorrect, define
from kiungo.kernel.addresses import Address

SETTINGS_WRONG = define("SETTINGS_WRONG", Incorrect, "A KIUNGO_... variable is missing, empty, wrong or unknown.")

PREFIX = "KIUNGO_"
FOREIGN_PREFIXES = (
    "KIUNGO_TEST_",
    "KIUNGO_BENCH_",
    # Connectors read their own; what is set there and unknown is told by the part that opens them.
    "KIUNGO_AFYALINK_",
    "KIUNGO_BANK_",
    "KIUNGO_FOLLOW_",
    "KIUNGO_HCMS_",
    "KIUNGO_MPESA_",
    "KIUNGO_SETTLE_",
    "KIUNGO_SHA_",
    "KIUNGO_SMS_",
    "KIUNGO_SMTP_",
)
Mode = Literal["dev", "demo", "serve"]


class Settings(BaseSettings):
    """What an operator can set. Units: the last word of each name, or in its description."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    mode: Mode = Field("dev", description="dev, demo or serve. The commands of these names set it.")
    database_url: str = Field(
        "sqlite:///./.kiungo/kiungo.db",
        description="Where records are kept: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME.",
    )
    data_dir: Path = Field(Path(".kiungo"), description="Folder for generated keys and files of dev and demo.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    public_url: Address | None = Field(
        None,
        description="The address clients use, such as https://claims.example.org; tokens name it, and under serve"
        " the console's cookies are for https alone unless it begins with http://.",
    )
    sandbox_port: int = Field(
        8900, ge=0, le=65535, description="Port of the simulated outside systems in dev; a free one when it is taken."
    )
    workers_inside: bool = Field(True, description="Run jobs inside the serving process.")

    signing_key: SecretStr | None = Field(
        None, description="Private key that signs access tokens: PEM (EC P-256 or RSA) or a private JWK."
    )
    signing_key_file: Path | None = Field(None, description="File with that key, instead of the key itself.")
    secrets_key: SecretStr | None = Field(
        None, description="Keys for secrets at rest: id:base64key, several separated by commas."
    )
    dev_api_key: SecretStr | None = Field(
        None, description="The administrator's API key in dev and demo; made up when unset."
    )
    token_lifetime_s: int = Field(900, ge=60, le=86_400, description="How long an access token lives, seconds.")
    credential_cache_s: float = Field(
        30.0,
        ge=0,
        le=300,
        description="How long a verified credential is remembered, seconds; on SQLite at most one.",
    )
    credential_cache_max: int = Field(20_000, ge=1, description="How many verified credentials are remembered.")
    open_submission: bool | None = Field(
        None,
        description="Whether claims are accepted without a key. Unset: on in dev and demo, off in serve.",
    )
    open_booking: bool | None = Field(
        None,
        description="Whether a facility code is enough to book equipment. Unset: on in dev and demo, off in serve.",
    )

    rate_per_minute: int = Field(60_000, ge=1, description="Requests a principal may make per minute, over time.")
    rate_burst: int = Field(10_000, ge=1, description="Requests a principal may make at once.")
    rate_unauthenticated_per_minute: int = Field(
        3_000, ge=1, description="Requests per minute from one address without a valid credential."
    )

    body_bytes_max: int = Field(5_000_000, ge=1_000, description="Largest request body, bytes.")
    body_timeout_s: float = Field(20.0, gt=0, description="How long a request body may take to arrive, seconds.")
    header_bytes_max: int = Field(32_768, ge=1_024, description="All request headers together, bytes.")
    headers_max: int = Field(100, ge=10, description="How many headers a request may have.")
    idempotency_days: int = Field(30, ge=1, description="How long answers are kept for repeats, days.")
    cors_origins: tuple[str, ...] = Field(
        (),
        description='Origins whose pages may call the API, as JSON: ["https://portal.example.org"].',
    )
    outbound_allowed: tuple[str, ...] = Field(
        (),
        description='Private hosts and networks webhooks may reach, as JSON: ["erp.hospital.local", "10.20.0.0/16"].',
    )
    trusted_proxies: tuple[str, ...] = Field(
        (), description='Networks whose X-Forwarded-For is believed, as JSON: ["10.0.0.0/8"].'
    )
    metrics_public: bool = Field(False, description="Whether /metrics answers without the scope read:metrics.")
    ready_job_lag_s_max: float = Field(
        60.0, gt=0, description="/readyz says no when due jobs wait longer than this, seconds."
    )

    audit_flush_ms: int = Field(20, ge=0, le=50, description="How long an audited read may wait for others, ms.")
    audit_waiting_max: int = Field(20_000, ge=100, description="How many audited reads may wait at once.")
    audit_when_full: Literal["wait", "refuse"] = Field(
        "wait", description="What a read does when the audit buffer is full: wait, or be refused with 503."
    )
    audit_strict: bool = Field(False, description="Whether a read is answered only after its audit is stored.")
    audit_seal_interval_s: float = Field(10.0, gt=0, description="How often the audit trail is sealed, seconds.")
    audit_seal_key: SecretStr | None = Field(
        None,
        description="Key without which seals cannot be forged in the database; 32 characters or more.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least severe log line.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="auto writes for people on a terminal and JSON elsewhere."
    )
    access_log: Literal["off", "errors", "all"] = Field(
        "errors", description="Which requests are logged: none, those answered 5xx, or all."
    )

    @field_validator("database_url")
    @classmethod
    def _known_engine(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql://", "postgres://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not origin.startswith(("https://", "http://")) or origin.count("/") != 2:
                raise ValueError(f"{origin!r} is not an origin such as https://portal.example.org")
        return value

    @field_validator("audit_seal_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("must have at least 32 characters")
        return value

    @property
    def issuer(self) -> str:
        """The address tokens are issued by and for."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def cookies_need_https(self) -> bool:
        """Whether browsers may send our cookies over https alone: always under serve, but for a stated http address."""
        return self.issuer.startswith("https://") or (self.mode == "serve" and self.public_url is None)

    @property
    def opens_submission(self) -> bool:
        """Whether claims are accepted without a key in this mode."""
        return self.mode != "serve" if self.open_submission is None else self.open_submission

    @property
    def opens_booking(self) -> bool:
        """Whether equipment is booked without a key in this mode."""
        return self.mode != "serve" if self.open_booking is None else self.open_booking


def load_settings(**overrides: Any) -> Settings:
    """Read all settings from the environment; `overrides` (by field name) win over it.

    Raises: Incorrect SETTINGS_WRONG, with one detail for each variable that is missing, empty, wrong or
    unknown. A value is never repeated, since it may be a secret.
    """
    problems = _surprises(os.environ)
    try:
        settings = Settings(**overrides)
        problems += _missing_for_serve(settings)
    except ValidationError as error:
        problems += [_detail(problem) for problem in error.errors(include_input=False, include_url=False)]
    except SettingsError as error:
        problems.append(Detail(_variable_in(str(error)), "is not JSON", "wrong"))
    if problems:
        raise Incorrect(
            SETTINGS_WRONG,
            "The settings are not right: " + "; ".join(f"{p.field} {p.message}" for p in problems),
            field=problems[0].field,
            hint="Correct these variables; docs/reference/settings.md lists them all",
            details=tuple(problems),
        )
    return settings


def _surprises(environment: Mapping[str, str]) -> list[Detail]:
    """Variables that are no setting (a typing mistake must not go unnoticed) or are set to nothing."""
    problems = []
    for variable in sorted(environment):
        if not variable.startswith(PREFIX) or variable.startswith(FOREIGN_PREFIXES):
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in Settings.model_fields:
            problems.append(Detail(variable, f"is not a setting{_nearest(name)}", "unknown"))
        elif not environment[variable].strip() and Settings.model_fields[name].default is not None:
            problems.append(Detail(variable, "is set but empty; give it a value or unset it", "empty"))
    return problems


def _missing_for_serve(settings: Settings) -> list[Detail]:
    """What `serve` needs and would otherwise have to make up."""
    if settings.mode != "serve":
        return []
    problems = []
    if settings.signing_key is None and settings.signing_key_file is None:
        problems.append(
            Detail(
                "KIUNGO_SIGNING_KEY",
                "is missing; access tokens are signed with it, and none is made up. Make one with:"
                " openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt",
                "missing",
            )
        )
    if settings.secrets_key is None:
        problems.append(Detail("KIUNGO_SECRETS_KEY", "is missing; make one with: kiungo secrets new-key", "missing"))
    return problems


def _detail(problem: ErrorDetails) -> Detail:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        return Detail(PREFIX + name.upper(), "is missing", "missing")
    return Detail(PREFIX + name.upper(), f"is wrong: {message[0].lower()}{message[1:]}", "wrong")


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    return f"; did you mean {PREFIX}{near[0].upper()}?" if near else ""


def _variable_in(message: str) -> str:
    known = [name for name in Settings.model_fields if f'"{name}"' in message]
    return PREFIX + known[0].upper() if known else PREFIX + "..."
