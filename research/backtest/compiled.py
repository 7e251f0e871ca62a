"""Compiled loops: what is too slow for Python and too sequential for columns.

Machine code is kept beside the source, or where that cannot be written in the user's cache folder
(``NUMBA_CACHE_DIR`` names another), so that only the first run after a change compiles. Where no
folder can be written at all, each process compiles anew: some seconds, and the same results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit

_Taken = ParamSpec("_Taken")
_Given = TypeVar("_Given")


def compiled(function: Callable[_Taken, _Given]) -> Callable[_Taken, _Given]:
    """Return a function compiled to machine code when it is first called.

    It may use numbers and arrays only. Integers are 64 bit and overflow silently, so callers pass
    won and shares of which no product leaves that range.
    """
    compile_kept: Any = njit(cache=True)
    try:
        loop = compile_kept(function)
    except RuntimeError:
        # Numba's word for: there is no folder to keep machine code in.
        loop = njit(function)
    return cast(Callable[_Taken, _Given], loop)
