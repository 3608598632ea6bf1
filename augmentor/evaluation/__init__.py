"""How good synthetic lesions are, and whether they are copies."""
