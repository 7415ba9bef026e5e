"""What bookings come to over a period: services delivered, approvals, days to payment, money by stakeholder."""
