"""Measurements that anyone can repeat: `python -m benchmarks.NAME`. Each writes the file that quotes it."""
