"""What an operator sets to send e-mail. Variables begin with KIUNGO_SMTP_."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class SmtpSettings(BaseSettings):
    """One relay. Units: seconds."""

    model_config = SettingsConfigDict(env_prefix="KIUNGO_SMTP_", env_ignore_empty=True, extra="forbid", frozen=True)

    host: str = Field(min_length=1, description="The relay's host.")
    port: int = Field(587, ge=1, le=65_535, description="The relay's port.")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is protected; none only for a relay on this machine."
    )
    username: str = Field("", description="Account at the relay; empty sends without logging in.")
    password: SecretStr = Field(SecretStr(""), description="Its password.")
    sender: str = Field(min_length=3, description="Address messages come from, such as pay@example.org.")
    sender_name: str = Field("Kiungo", description="Name messages come from.")
    timeout_s: float = Field(15.0, gt=0, le=60, description="How long the relay may take to answer, seconds.")
