"""Who trains: filters, tuning, partial training in lockstep, and fair comparison."""
