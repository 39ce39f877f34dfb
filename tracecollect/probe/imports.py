"""Something to do when a module has been imported: now if it is, else right after."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class Imports(MetaPathFinder):
    """Waits at the head of `sys.meta_path`. Every import passes it once, so it only looks a name up."""

    def __init__(self, wanted: Mapping[str, Callable[[str], None]]) -> None:
        self._wanted = dict(wanted)

    def start(self) -> None:
        """Do what can be done now, and wait for the rest."""
        for name in [one for one in self._wanted if one in sys.modules]:
            self._wanted.pop(name)(name)
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Nothing of ours: what the others find, with something to do afterwards."""
        # Taken out before the others are asked: there may be two of us.
        then = self._wanted.pop(fullname, None)
        if then is None:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(fullname, path, target) if finder is not self else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Afterwards(spec.loader, then)
                return spec
        self._wanted[fullname] = then
        return None


class _Afterwards(Loader):
    """The real loader, and one call after it has run."""

    def __init__(self, loader: Loader, then: Callable[[str], None]) -> None:
        self._loader = loader
        self._then = then

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the real one does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, then what waited for it; the module keeps its real loader."""
        self._loader.exec_module(module)
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._then(module.__name__)
