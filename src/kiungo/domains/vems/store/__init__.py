"""The rows of bookings, contracts and followed claims; nothing here decides."""
