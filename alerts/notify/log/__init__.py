"""Notes as lines of a log: for trying out, and as the channel of last resort."""
