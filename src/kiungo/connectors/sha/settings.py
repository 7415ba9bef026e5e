"""What an operator sets to reach the Social Health Authority. Variables begin with KIUNGO_SHA_."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from kiungo.connectors.sha.profile import PROFILES
from kiungo.kernel.addresses import Address


class ShaSettings(BaseSettings):
    """One platform's access. The draft guide allows API keys never alone, so this is OAuth2 client credentials."""

    model_config = SettingsConfigDict(env_prefix="KIUNGO_SHA_", env_ignore_empty=True, extra="forbid", frozen=True)

    base_url: Address = Field(description="Where the authority is reached; the twin's in dev.")
    client_id: str = Field(min_length=1, description="Our client id.")
    client_secret: SecretStr = Field(description="Its secret.")
    scopes: str = Field(
        "system/Claim.write system/ClaimResponse.read system/Coverage.read", description="The scopes to ask for."
    )
    profile: str = Field("eclaims-0.1.0", description="Which version of the interface to speak.")
    batch_max: int = Field(50, ge=1, le=100, description="How many claims are asked about at once.")

    @field_validator("profile")
    @classmethod
    def _known_profile(cls, value: str) -> str:
        if value not in PROFILES:
            raise ValueError(f"must be one of {', '.join(PROFILES)}")
        return value
