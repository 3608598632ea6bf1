"""Pages and figures that tell what a benchmark or a fit found."""
