"""What README's numbers come from: `make bench`."""
