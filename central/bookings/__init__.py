"""Orders and stays: taking, changing and cancelling an order; check-in, move, check-out; keys; what a reservation may do next."""
