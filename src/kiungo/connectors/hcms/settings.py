"""What an operator sets to reach an HCMS payer. Variables begin with KIUNGO_HCMS_."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from kiungo.kernel.addresses import Address


class HcmsSettings(BaseSettings):
    """One provider's access to one payer."""

    model_config = SettingsConfigDict(env_prefix="KIUNGO_HCMS_", env_ignore_empty=True, extra="forbid", frozen=True)

    base_url: Address = Field(description="The payer's API, such as https://payor.example.org/api.")
    api_key: SecretStr | None = Field(None, description="The key the payer gave; none where submission is open.")
    provider_id: str | None = Field(None, description="The provider claims are sent for; the key's own when unset.")
    webhook_secret: SecretStr | None = Field(None, description="The secret of the payer's webhooks to us.")
    batch_max: int = Field(
        1, ge=1, le=100, description="How many bookings the payer's claim list takes at once; 1 when it takes no list."
    )
    reports_payment: bool = Field(True, description="Whether the payer's claims say when they were paid.")
