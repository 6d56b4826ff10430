"""Experiment trackers: one plugin each. They write outside of records; no plan and no stage key names them."""
