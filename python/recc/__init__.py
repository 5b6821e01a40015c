"""recc: sequence models that are written as the equations of one step, compiled for this machine.

    model = recc.load("gru.rec", H=64, params="gru.safetensors")
    h = model(x=x)["h"]
"""

from . import _library
from ._errors import Error, Problem
from ._model import Gradients, Model, Port, Results, RunResults, State, Verification, compile, load, verify
from ._stream import Snapshot, Stream

__version__ = _library.value("version").decode()
__all__ = [
    "Error", "Gradients", "Model", "Port", "Problem", "Results", "RunResults", "Snapshot", "State", "Stream", "Verification", "compile", "load",
    "verify",
]
