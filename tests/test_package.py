import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("given", [None, "0"])
def test_huge_pages_are_asked_for_unless_the_environment_says_otherwise(given):
    environment = {k: v for k, v in os.environ.items() if k != "THP_MEM_ALLOC_ENABLE"}
    environment |= {} if given is None else {"THP_MEM_ALLOC_ENABLE": given}
    told = "import augmentor, os; print(os.environ['THP_MEM_ALLOC_ENABLE'])"
    found = subprocess.run([sys.executable, "-c", told], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == (given or "1")
