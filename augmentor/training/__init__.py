"""From training lesions to a run folder with checkpoints."""
