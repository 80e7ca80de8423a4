"""A saga: what a shop did for an order is undone when the order cannot be sent."""
