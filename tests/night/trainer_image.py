"""Imported before all else where a shard is trained in the tests: only what a trainer's image holds can be imported."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

HELD = {*sys.stdlib_module_names, "include", "lightgbm", "numpy", "scipy", "narwhals", "threadpoolctl"}
ROOMS = tuple(f"include.{room}" for room in ("core", "elsewhere", "learner", "training", "__main__", "data.losses"))


class NothingElse:
    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        top = name.partition(".")[0]
        ours = name in ("include", "include.data") or f"{name}.".startswith(tuple(f"{room}." for room in ROOMS))
        if (top not in HELD and not top.startswith("_sysconfigdata")) or (top == "include" and not ours):
            raise ModuleNotFoundError(f"a trainer's image holds no {name}", name=name)
        return None


sys.meta_path.insert(0, NothingElse)
