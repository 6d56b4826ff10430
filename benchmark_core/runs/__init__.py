"""A plan run from clips to record; a finished run rebuilt, fused, predicted with, run again."""
