"""Run a suite's plans as jobs: local processes, Slurm or Ray. `head` starts them, `work` runs in each of them."""
