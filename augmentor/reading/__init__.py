"""Blind reading: pages on which people say real or synthetic, and what their answers show."""
