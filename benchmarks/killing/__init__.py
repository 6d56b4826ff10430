"""What `kill_and_resume.py` runs and kills, and how it compares the results."""
