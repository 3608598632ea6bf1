"""From a run to an enlarged training set."""
