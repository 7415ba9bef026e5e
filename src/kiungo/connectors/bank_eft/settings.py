"""What an operator sets to pay through a bank. Variables begin with KIUNGO_BANK_."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class BankSettings(BaseSettings):
    """One account at one bank. Units: shillings are KES; seconds where it says so."""

    model_config = SettingsConfigDict(env_prefix="KIUNGO_BANK_", env_ignore_empty=True, extra="forbid", frozen=True)

    folder: Path = Field(Path(".kiungo/bank"), description="Folder shared with the bank: out/ for it, in/ for us.")
    profile: str = Field(
        "pain001", description='Form of payment files: "pain001", or the name of a CSV profile in profiles/.'
    )
    statement_format: Literal["camt053", "mt940", "csv"] = Field("camt053", description="Form of statements.")
    account: str = Field(pattern=r"^[A-Za-z0-9]{5,20}$", description="Our account number at the bank.")
    account_name: str = Field(min_length=1, max_length=70, description="Name of our account.")
    bank_code: str = Field(pattern=r"^[0-9]{2}$", description="The bank's two-digit code.")
    currency: str = Field("KES", description="Currency of the account.")
    amount_minor_max: int = Field(
        100_000_000, ge=1, description="Largest single transfer, minor units; larger ones must go by RTGS."
    )
    batch_max: int = Field(1_000, ge=1, le=10_000, description="Most transfers in one file.")
    batch_wait_s: float = Field(60.0, ge=0, description="How long transfers are collected for one file, seconds.")
    silence_s: float = Field(
        3 * 86_400.0, gt=0, description="After how long without a word a transfer counts as unknown, seconds."
    )
