"""What `peers.py` is made of. Modules that say so need torch; the others run anywhere."""
