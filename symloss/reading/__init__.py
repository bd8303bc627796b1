"""Files of others: read with limits on size, depth and memory, and never executed or unpickled."""
