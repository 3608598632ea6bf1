"""Pages and figures that tell what a benchmark, a fit, an evaluation or a reading found."""
