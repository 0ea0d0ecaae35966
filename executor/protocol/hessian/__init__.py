"""Hessian 2, the binary form in which admins of 2.0 and 2.1 speak; one value in a body.

=============================  =====================================================
Hessian                        Python
=============================  =====================================================
null, boolean, double, binary  ``None``, ``bool``, ``float``, ``bytes``
int, long                      ``int`` (of 32 bits, else written as a long), :class:`Long`
date                           an aware ``datetime``, to the millisecond
string                         ``str``
list                           ``list``, or :class:`TypedList`
map                            ``dict``, or :class:`TypedMap`
object                         :class:`Record`: never an object of a class the sender names
=============================  =====================================================

Whatever cannot be read or written raises :class:`HessianError`.
"""

from .reading import decode
from .values import HessianError, Long, Record, TypedList, TypedMap
from .writing import encode

__all__ = ["HessianError", "Long", "Record", "TypedList", "TypedMap", "decode", "encode"]
