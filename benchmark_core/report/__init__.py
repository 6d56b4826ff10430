"""A finished run as one page that opens anywhere: what it learnt, what it gets wrong, where it looks."""
