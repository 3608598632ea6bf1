"""Numbers rounded so that they say what was concluded from them: none may be carried over a limit."""

from __future__ import annotations

from augmentor.benchmarking.limits import ALPHA

_SAME = 1e-9  # nearer to a limit, a number differs from it by what arithmetic leaves


def tell_p(p: float, form: str = ".2g") -> str:
    """What follows the letter: "= 0.02" or "< 0.001". 0.0497 is not told as 0.05, which would be no verdict."""
    return "< 0.001" if p < 0.001 else f"= {p:{clear_form(p, form, ALPHA)}}"


def clear_form(value: float, form: str, limit: float = 0.0) -> str:
    """A form such as ".1f", with as many more digits as keep the value from reading as the limit or as beyond it: an
    interval that leaves out zero must look like one."""
    digits, kind = int(form[1:-1]), form[-1]
    above = value - limit
    while abs(above) > _SAME and (float(f"{value:.{digits}{kind}}") - limit) * above <= 0:
        digits += 1
    return f".{digits}{kind}"
