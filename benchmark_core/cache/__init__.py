"""What the cache folder holds and what it cost; read again, and cleared."""
