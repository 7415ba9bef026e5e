"""What an operator sets to pay by M-Pesa. Variables begin with KIUNGO_MPESA_."""

import ipaddress

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

# Words the vendor refuses in callback addresses.
FORBIDDEN_IN_URLS = ("mpesa", "m-pesa", "safaricom", "exe", "exec", "cmd", "sql", "query")
CALLBACK_KEY_LENGTH_MIN = 32


class MpesaSettings(BaseSettings):
    """One organisation's short code and credentials. Units: shillings are KES; seconds where it says so."""

    model_config = SettingsConfigDict(env_prefix="KIUNGO_MPESA_", env_ignore_empty=True, extra="forbid", frozen=True)

    base_url: str = Field("https://api.safaricom.co.ke", description="Where Daraja is reached; the twin's in dev.")
    consumer_key: SecretStr = Field(description="The app's consumer key.")
    consumer_secret: SecretStr = Field(description="The app's consumer secret.")
    shortcode: str = Field(pattern=r"^[0-9]{5,7}$", description="The short code payments leave from.")
    initiator: str = Field(min_length=1, description="Name of the API operator.")
    initiator_password: SecretStr = Field(description="The API operator's password.")
    certificate: str = Field(description="The vendor's certificate or public key in PEM; it seals the password.")
    callback_url: str = Field(description="Our address as the vendor reaches it, such as https://pay.example.org.")
    callback_key: SecretStr = Field(description="Key of the secret in each callback address; 32 characters or more.")
    callback_networks: tuple[str, ...] = Field(
        (), description='Networks callbacks may come from, as JSON: ["196.201.214.0/24"]. Empty: any.'
    )
    till_identifier_type: str = Field("2", description="Receiver identifier type of tills; sources differ.")
    b2c_command: str = Field("BusinessPayment", description="Command of payments to phones.")
    b2b_shillings_max: int = Field(999_999, ge=1, description="Largest payment to a short code or till, KES.")
    b2c_shillings_max: int = Field(250_000, ge=10, description="Largest payment to a phone, KES.")

    @field_validator("callback_url")
    @classmethod
    def _no_refused_words(cls, value: str) -> str:
        refused = [word for word in FORBIDDEN_IN_URLS if word in value.lower()]
        if refused:
            raise ValueError(f"holds {refused[0]!r}, which the vendor refuses in callback addresses")
        return value.rstrip("/")

    @field_validator("callback_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < CALLBACK_KEY_LENGTH_MIN:
            raise ValueError(f"must have at least {CALLBACK_KEY_LENGTH_MIN} characters")
        return value

    @field_validator("callback_networks")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value
