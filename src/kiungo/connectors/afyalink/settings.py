"""What an operator sets to reach the national registries. Variables begin with KIUNGO_AFYALINK_."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kiungo.connectors.afyalink.profile import PROFILES
from kiungo.kernel.addresses import Address


class AfyaLinkSettings(BaseSettings):
    """One application's credentials. Units: seconds where it says so."""

    model_config = SettingsConfigDict(env_prefix="KIUNGO_AFYALINK_", env_ignore_empty=True, extra="forbid", frozen=True)

    base_url: Address = Field("https://uat.dha.go.ke", description="Where AfyaLink is reached; the twin's in dev.")
    username: str = Field(min_length=1, description="User name of the application.")
    password: SecretStr = Field(description="Its password.")
    consumer_key: SecretStr = Field(description="Its consumer key.")
    agent: str = Field(min_length=1, description="The agent identifier the application was given.")
    profile: str = Field("2025", description="Which version of the vendor's paths to use.")

    @field_validator("profile")
    @classmethod
    def _known_profile(cls, value: str) -> str:
        if value not in PROFILES:
            raise ValueError(f"must be one of {', '.join(PROFILES)}")
        return value
