"""The networks, what they are saved as, and the features that judge images."""
