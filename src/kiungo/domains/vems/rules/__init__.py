"""What our business decides about bookings: pure functions from values to values."""
