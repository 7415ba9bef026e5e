"""The notifications' error codes."""

from kiungo.base.errors import NotFound, define

NOTIFICATION_NOT_FOUND = define("NOTIFICATION_NOT_FOUND", NotFound, "No message or address of the caller's is meant.")
