"""The examples in the docstrings of the actor library run, and give what they say."""

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import hobgoblin as hob
from hobgoblin import actors, blocking

MODULES = [
    importlib.import_module(f"hobgoblin.actors.{found.name}")
    for found in pkgutil.iter_modules(actors.__path__)
]


def examples(module: ModuleType) -> list[doctest.DocTest]:
    names = {name: getattr(actors, name) for name in actors.__all__}
    found = doctest.DocTestFinder(exclude_empty=True).find(
        module, extraglobs=names | {"result": blocking.result}
    )
    for cls in vars(module).values():
        # doctest does not look into declared methods.
        if isinstance(cls, type) and issubclass(cls, hob.Actor) and cls.__module__ == module.__name__:
            for name, declared in vars(cls).items():
                if isinstance(declared, hob.vat.Method):
                    text = declared.__doc__ or ""
                    parser = doctest.DocTestParser()
                    found.append(
                        parser.get_doctest(
                            text, names | {"result": blocking.result}, f"{cls.__name__}.{name}", None, 0
                        )
                    )
    return [example for example in found if example.examples]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_the_examples_are_right(module: ModuleType) -> None:
    runner = doctest.DocTestRunner()
    with hob.VatThread("examples") as vat:
        for example in examples(module):
            example.globs["vat"] = vat
            runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


def test_every_public_family_has_an_example() -> None:
    shown = "".join(
        line.source for module in MODULES for example in examples(module) for line in example.examples
    )
    left_out = {name for name in actors.__all__ if name.startswith("new_") and name not in shown}
    assert left_out == set()
