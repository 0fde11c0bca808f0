"""Parts of ``denial.py``: a world on virtual time, and what either carrier is in it."""
