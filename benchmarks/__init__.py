"""Measurements of Tryout and its peers: `make bench`; README quotes their figures."""
