"""What an operator sets to pay through a bank. Variables begin with KIUNGO_BANK_."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class BankSettings(BaseSettings):
    """One account at one bank. Units: shillings are KES; seconds where it says so."""

    model_config = SettingsConfigDict(env_prefix="KIUNGO_BANK_", env_ignore_empty=True, extra="forbid", frozen=True)

    folder: Path = Field(Path(".kiungo/bank"), description="Folder shared with the bank: out/ for it, in/ for us.")
    sftp_host: str = Field("", description="The bank's SFTP server; empty uses the folder.")
    sftp_port: int = Field(22, ge=1, le=65_535, description="Its port.")
    sftp_user: str = Field("", description="Our account there.")
    sftp_password: SecretStr = Field(SecretStr(""), description="Its password; empty where a key logs in.")
    sftp_private_key: SecretStr = Field(SecretStr(""), description="Text of the private key that logs in.")
    sftp_host_key: str = Field("", description='The server\'s public key, pinned: "ssh-ed25519 AAAA...".')
    sftp_out: str = Field("out", description="Folder there for our payment files.")
    sftp_in: str = Field("in", description="Folder there for the bank's answers and statements.")
    sftp_done: str = Field("", description="Folder there for files we have taken; empty removes them.")
    sftp_timeout_s: float = Field(20.0, gt=0, le=120, description="How long the server may take to answer, seconds.")
    profile: str = Field(
        "pain001", description='Form of payment files: "pain001", a CSV profile of profiles/, or the path of a .toml.'
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

    @model_validator(mode="after")
    def _sftp_is_whole(self) -> Self:
        if self.sftp_host and not (self.sftp_user and self.sftp_host_key):
            raise ValueError("sftp_host needs sftp_user and the pinned sftp_host_key")
        if self.sftp_host and not (self.sftp_password.get_secret_value() or self.sftp_private_key.get_secret_value()):
            raise ValueError("sftp_host needs sftp_password or sftp_private_key")
        return self
