"""Tables of candidates for people and programs."""
