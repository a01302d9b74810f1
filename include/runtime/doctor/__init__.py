"""What a night will need, tried before one needs it."""
