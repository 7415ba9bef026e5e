"""What an operator sets to send SMS. Variables begin with KIUNGO_SMS_."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class SmsSettings(BaseSettings):
    """One account at the aggregator."""

    model_config = SettingsConfigDict(env_prefix="KIUNGO_SMS_", env_ignore_empty=True, extra="forbid", frozen=True)

    base_url: str = Field("https://api.africastalking.com", description="Where the aggregator is reached.")
    username: str = Field(min_length=1, description="The application's user name.")
    api_key: SecretStr = Field(description="The application's API key.")
    sender_id: str = Field("", max_length=11, description="Registered sender name; empty uses the aggregator's.")
    report_key: SecretStr = Field(min_length=16, description="Secret in the address delivery reports come to.")
