"""Pairs of low and high frames of the same moment, with their motion, on which super-resolution is trained."""
