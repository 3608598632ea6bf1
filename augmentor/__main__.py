"""`python -m augmentor`, which `torchrun -m augmentor fit ...` needs."""

from augmentor.cli import main

main()
