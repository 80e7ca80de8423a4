"""Batches that are halved until they fit, counted by the device that they have to fit into."""
