"""From where on a difference is no chance, and how surely one is to be seen."""

ALPHA = 0.05  # a smaller p is more than chance; intervals leave out as much
POWER = 0.8  # the probability with which an effect that is called detectable is shown
