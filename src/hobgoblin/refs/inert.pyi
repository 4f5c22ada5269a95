from typing import NoReturn

__all__ = ["Inert"]

class Inert:
    __slots__ = ()

    def _refuse(self, name: str) -> NoReturn: ...
