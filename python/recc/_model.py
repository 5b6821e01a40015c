"""Models: compiled, run, differentiated, explained."""

import json
from typing import NamedTuple, Tuple

import numpy

from . import _arrays, _library
from ._errors import Error
from ._library import Handle


class Port(NamedTuple):
    """What goes into a model or comes out."""

    name: str
    shape: Tuple  # None for the batch, and for the steps where data say how many there are
    axes: Tuple[str, ...]  # what each axis is called
    dtype: numpy.dtype  # what is read without conversion, or given
    is_stream: bool  # whether it has a value at every step
    is_optional: bool  # whether it may be left out
    is_trained: bool  # whether it is a parameter, and no constant
    is_complex: bool  # whether its last axis has two, the real and the imaginary part

    def __str__(self):
        sizes = [f"{axis}={size}" if size is not None and axis != str(size) else axis for axis, size in zip(self.axes, self.shape)]
        return f"{self.name}: [{', '.join(sizes)}] {self.dtype}"

    @classmethod
    def _of(cls, port):
        flags = port.flags
        return cls(
            port.name.decode(), tuple(None if size < 0 else size for size in port.shape[: port.rank]),
            tuple(axis.decode() for axis in port.axes[: port.rank]), _arrays.dtype(port.type), bool(flags & _library.STREAM),
            bool(flags & _library.OPTIONAL), bool(flags & _library.TRAINED), bool(flags & _library.COMPLEX),
        )


def _ports(kind, owner, count, each):
    ports = (Port._of(_library.filled(_library.Port, each, owner, kind, k)) for k in range(_library.value(count, owner, kind)))
    return {port.name: port for port in ports}


class Results(dict):
    """Arrays by name: outputs and losses, also as attributes."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(self._lacks(name)) from None

    def __missing__(self, name):
        raise KeyError(self._lacks(name))

    def _lacks(self, name):
        return f"there is no '{name}' among the results, which are {', '.join(map(repr, self)) or 'none'}"


class RunResults(Results):
    """What a run gives. `losses` and `final`, the states behind the last step, are arrays by name; `state` is what the next run goes on
    from, where the run was given one."""

    def __init__(self, handle):
        super().__init__(_listed(handle, _library.OUTPUTS))
        # Not as attributes of the instance: names of outputs go first.
        self.update(_listed(handle, _library.LOSSES))
        object.__setattr__(self, "_handle", handle)

    @property
    def losses(self):
        return Results(_listed(self._handle, _library.LOSSES))

    @property
    def final(self):
        return Results(_listed(self._handle, _library.STATES))

    @property
    def state(self):
        return State(Handle.made("state", "results_state", self._handle.pointer))


def _listed(handle, kind):
    count = _library.value("results_count", handle.pointer, kind)
    return [
        _arrays.named(_library.filled(_library.Tensor, "results_tensor", handle.pointer, kind, k), handle) for k in range(max(0, count))
    ]


class Gradients(Results):
    """Arrays by name: of parameters by path, of inputs by name. `results` are those of the same run."""

    def __init__(self, handle):
        super().__init__(_listed(handle, _library.GRADIENTS))
        object.__setattr__(self, "_handle", handle)

    @property
    def results(self):
        return RunResults(self._handle)


class State(object):
    """From what a run or a stream goes on; `State()` is the beginning."""

    def __init__(self, handle=None):
        self._handle = handle or Handle("state", _library.value("state_begin"))

    @classmethod
    def load(cls, path):
        """Reads a file that `save`, or `recc run --save-state`, has written."""
        return cls(Handle.made("state", "state_load", _library.encoded(path)))

    def save(self, path):
        """Writes a .safetensors file."""
        _library.call("state_save", self._handle.pointer, _library.encoded(path))

    @property
    def arrays(self):
        """Arrays by the name of a state, `[batch, …]`; none before the first step."""
        count = _library.value("state_count", self._handle.pointer)
        every = (_library.filled(_library.Tensor, "state_tensor", self._handle.pointer, k) for k in range(count))
        return Results(_arrays.named(tensor, self._handle, writable=False) for tensor in every)


# Arguments of a run beside its inputs.
_OPTIONS = {"params": None, "lengths": None, "state": None, "threads": 0}


class Model:
    """A program with its dims fixed, and perhaps its weights, ready to run. `load` and `compile` make one.

    It may be used by any number of threads at the same time.
    """

    def __init__(self, handle):
        self._handle = handle
        self._gradients = {}
        pointer = handle.pointer
        self.name = _library.value("model_name", pointer).decode()
        kinds = [_ports(kind, pointer, "model_port_count", "model_port") for kind in range(_library.STATES + 1)]
        self.inputs, self.parameters, self.outputs, self.losses, self.states = kinds
        self.dims = {}
        for k in range(_library.value("model_dim_count", pointer)):
            name, size = _library.c_char_p(), _library.c_int64()
            _library.call("model_dim", pointer, k, _library.byref(name), _library.byref(size))
            self.dims[name.value.decode()] = size.value

    def __repr__(self):
        lines = [f"model {self.name}({', '.join(f'{name}={size}' for name, size in self.dims.items())})"]
        for word, ports in (("input", self.inputs), ("param", self.parameters), ("output", self.outputs), ("loss", self.losses)):
            lines += [f"  {word} {port}" for port in ports.values()]
        return "\n".join(lines)

    # Weights

    @property
    def params(self):
        """The parameters and constants as arrays by path, which cannot be written to; none where there are no weights yet."""
        result = Results()
        for k in range(len(self.parameters)):
            try:
                tensor = _library.filled(_library.Tensor, "model_parameter", self._handle.pointer, k)
            except Error:
                continue
            name, numbers = _arrays.named(tensor, self._handle, writable=False)
            result[name] = numbers
        return result

    def with_params(self, params):
        """The same model with these arrays in place of the parameters of their names."""
        tensors, held = _arrays.tensors(_named(params, "params"))
        made = Handle.made("model", "model_with_parameters", self._handle.pointer, tensors, len(tensors))
        return Model(made)

    def save(self, path):
        """Writes the parameters, .safetensors or .npz, under the names that the source gives."""
        _library.call("model_save", self._handle.pointer, _library.encoded(path))

    # Runs

    def _given(self, inputs, named, options):
        """Inputs, and options of a run: a name that is an input's stands for the input."""
        options = dict(options)
        inputs = dict(_inputs(inputs, self))
        for name, item in named.items():
            if name in options and name not in self.inputs:
                options[name] = item
            elif name in inputs:
                raise TypeError(f"the input '{name}' is given twice")
            else:
                inputs[name] = item
        return inputs, options

    @staticmethod
    def _data(inputs, options, cotangents={}):
        data = {name: item for name, item in inputs.items() if item is not None}
        for name, item in _named(options["params"], "params").items():
            if name in data:
                raise TypeError(f"'{name}' is given twice")
            data[name] = item
        given = options["lengths"]
        by_axis = {f"lengths.{axis}": item for axis, item in given.items()} if isinstance(given, dict) else {"lengths": given}
        for name, item in by_axis.items():
            if item is None:
                continue
            lengths = _arrays.array(name, item)
            if lengths.dtype.kind not in "iu":
                raise Error(f"'{name}' are whole numbers, one for each sequence, and not {lengths.dtype}")
            data[name] = lengths.astype(numpy.int64)
        for name, item in cotangents.items():
            data[f"cotangent.{name}"] = item
        return _arrays.tensors(data)

    def __call__(self, inputs=None, /, **named):
        """Runs whole sequences.

        Inputs are arrays `[batch, t, …]`, or `[batch, …]` of those given once; without a batch axis the batch is 1. They are given by
        name, or as a dict. Beside them: `params`, arrays that go before the model's own; `lengths`, one for each sequence,
        or a dict of them by axis, `{"t": [3, 1], "s": [2, 5]}`; `state`, from what the run goes on; `threads`.
        """
        inputs, options = self._given(inputs, named, _OPTIONS)
        tensors, held = self._data(inputs, options)
        state = options["state"]
        start = None if state is None else _checked(state, State, "state")._handle.pointer
        return RunResults(Handle.made("results", "run", self._handle.pointer, tensors, len(tensors), start, options["threads"]))

    # Gradients

    def _gradient(self, of, wrt, truncation):
        key = (of, wrt, truncation)
        if key not in self._gradients:
            self._gradients[key] = Handle.made(
                "gradient", "gradient_open", self._handle.pointer, _library.texts(of), _library.texts(wrt), truncation
            )
        return self._gradients[key]

    def _differentiated(self, of, wrt, truncation, inputs, options, cotangents={}):
        if options["state"] is not None:
            raise Error("gradients are of sequences from their beginning\n  help: give initial states as inputs that are given once, and leave 'state' out")
        of, wrt = (None if names is None else (names,) if isinstance(names, str) else tuple(names) for names in (of, wrt))
        gradient = self._gradient(of, wrt, truncation)
        tensors, held = self._data(inputs, options, cotangents)
        return Gradients(Handle.made("results", "gradient_run", gradient.pointer, tensors, len(tensors), options["threads"]))

    def grad(self, inputs=None, /, **named):
        """Runs, and differentiates the sum of the losses.

        Beside inputs, `params`, `lengths` and `threads`: `of`, the losses; `wrt`, by what to differentiate: paths of parameters, names of
        inputs, `"initial.STATE"`, by default every parameter and every input of real numbers; `truncation`, the steps of a block within
        which gradients stay. It is compiled once, whatever the parameters of later calls.
        """
        inputs, options = self._given(inputs, named, _OPTIONS | {"of": None, "wrt": None, "truncation": 0})
        if not self.losses and options["of"] is None:
            raise Error(f"'{self.name}' has no loss to differentiate\n  help: give cotangents of its outputs to vjp")
        return self._differentiated(options["of"], options["wrt"], options["truncation"], inputs, options)

    def vjp(self, cotangents, inputs=None, /, **named):
        """Runs, and differentiates the sum of results times cotangents: the vector-Jacobian product.

        `cotangents` are arrays by output, in their shapes, or by `"final.STATE"`, and numbers by loss; what is not needed for these is not
        computed. The rest is as of `grad`. Each loss takes a run of its own.
        """
        inputs, options = self._given(inputs, named, _OPTIONS | {"wrt": None, "truncation": 0})
        cotangents = _named(cotangents, "cotangents")
        if not cotangents:
            raise Error("vjp is given no cotangent\n  help: give one of an output in its shape, as in vjp({'y': numpy.ones_like(y)}, x=x)")
        factors = {name: _arrays.array(name, item) for name, item in cotangents.items() if name in self.losses}
        for name, factor in factors.items():
            if factor.size != 1:
                raise Error(f"the cotangent of the loss '{name}' is one number, and has the shape {list(factor.shape)}")
        ofs = [(name,) for name in factors]
        if len(ofs) < len(cotangents):
            ofs.insert(0, tuple(sorted(name for name in cotangents if name not in self.losses)))
        total = None
        for of in ofs:
            is_loss = of[0] in self.losses
            given = {} if is_loss else {name: cotangents[name] for name in of}
            share = self._differentiated(of, options["wrt"], options["truncation"], inputs, options, given)
            for name, numbers in share.items():
                if is_loss:
                    numbers *= factors[of[0]].reshape(()).astype(numbers.dtype)
                if total is not None:
                    if name in total:
                        total[name] += numbers
                    else:
                        total[name] = numbers
            total = share if total is None else total
        return total

    # Streams

    def stream(self, batch=None, capacity=1, state=None, once=None, **named):
        """The model step by step, with its state kept between steps.

        `batch` sequences take their steps together; by default it is one, and arrays have no batch axis. `capacity` is the most steps
        that are taken at a time. Inputs that are given once are given here, by name or in the dict `once`. With a `state`, `State()` for the
        beginning, the stream knows its own.
        """
        from ._stream import Stream

        return Stream(self, batch, capacity, state, {**_named(once, "inputs given once"), **named})

    # What runs and why

    def explain(self, batch=1, length=1024, threads=0, grad=False, as_json=False):
        """What each recurrence is, how it runs and why, of a run of so many sequences and steps: a text, or what its JSON says."""
        gradient = self._gradient(None, None, 0).pointer if grad else None
        page = _library.text("explain", self._handle.pointer, gradient, batch, length, threads, int(as_json))
        return json.loads(page) if as_json else page


def _named(items, what):
    """A dict, or what is like one; an empty one for None."""
    if items is not None and not hasattr(items, "items"):
        raise TypeError(f"the {what} are a dict of arrays by name, and not {_shown(items)}")
    return {} if items is None else items


def _inputs(items, model):
    """Inputs that are given without a name: a dict of them, or what is like one."""
    if items is not None and not hasattr(items, "items"):
        name = next(iter(model.inputs), "x")
        raise TypeError(f"inputs are given by name, or as a dict, and not as {_shown(items)}\n  help: write {name}=… in front of it")
    return {} if items is None else items


def _shown(item):
    """What was given, in a message: numbers and texts as they are, others by their type."""
    return repr(item) if isinstance(item, (str, int, float)) else f"{type(item).__name__}"


def _checked(item, kind, what):
    if not isinstance(item, kind):
        raise TypeError(f"the {what} is a recc.{kind.__name__}, and not {item!r}")
    return item


def _options(dims, named, params, options):
    """Options as `recc.h` has them, and parameters as arrays."""
    words, arrays = [], {}
    for name, size in {**(dims or {}), **named}.items():
        if isinstance(size, bool) or not hasattr(size, "__index__"):
            raise TypeError(f"the dim '{name}' is a whole number, and not {size!r}")
        words.append(f"dim.{name}={size.__index__()}")
    for item in params if isinstance(params, (list, tuple)) else [] if params is None else [params]:
        if hasattr(item, "items"):
            arrays.update(item)
        else:
            words.append("params=" + _library.encoded(item).decode())
    for key, item in options.items():
        if item is None:
            continue
        if key == "plan":
            if not hasattr(item, "items"):
                raise TypeError(f"the plan is a form for each state, as in {{'h': 'scan'}}, and not {item!r}")
            words += [f"plan.{state}={form}" for state, form in item.items()]
        elif key == "outputs":
            words += [f"output={name}" for name in ([item] if isinstance(item, str) else item)]
        else:
            words.append(f"{key}={item}")
    return _library.texts(words), arrays


def _made(function, arguments, dims, named, params, options):
    words, arrays = _options(dims, named, params, options)
    tensors, held = _arrays.tensors(arrays)
    return Model(Handle.made("model", function, *arguments, words, tensors, len(tensors)))


def load(
    path, params=None, *, model=None, dims=None, seed=None, outputs=None, precision=None, engine=None, threads=None, plan=None,
    weights=None, memory=None, training=None, cache=None, **sizes,
):
    """Reads a program from a file, or a module of the standard library ("std.gru"), fixes its dims, and gives it weights.

    `params` is a file of weights, a dict of arrays, or a list of both; with a `seed` what they lack starts from its initialiser. Dims are
    given by name, `H=64`, or in the dict `dims`; those that the weights tell may be left out. `model` says which of the program;
    `outputs` what alone is to be computed. `precision` is "f32" or "f64"; `engine` "compiled" or "interpreter"; `threads` are those of a
    run that does not say; `plan` is a form for each state, as in {"h": "scan"}; `weights` is "full" or "bf16"; `memory` is what a run may
    have, as in "512MB"; with `training` dropout drops; `cache` is "user", "off" or a folder.
    """
    options = dict(
        model=model, seed=seed, outputs=outputs, precision=precision, engine=engine, threads=threads, plan=plan, weights=weights,
        memory=memory, training=None if training is None else "on" if training else "off", cache=cache,
    )
    return _made("load", [_library.encoded(path)], dims, sizes, params, options)


def compile(
    text, params=None, *, name="program.rec", model=None, dims=None, seed=None, outputs=None, precision=None, engine=None, threads=None,
    plan=None, weights=None, memory=None, training=None, cache=None, **sizes,
):
    """The same of a program that is given as a text, which messages call `name`."""
    options = dict(
        model=model, seed=seed, outputs=outputs, precision=precision, engine=engine, threads=threads, plan=plan, weights=weights,
        memory=memory, training=None if training is None else "on" if training else "off", cache=cache,
    )
    return _made("compile", [_library.encoded(text), _library.encoded(name)], dims, sizes, params, options)


class Verification(str):
    """The table that `recc verify` prints. It is true where all that was compared agrees."""

    verified = False

    def __bool__(self):
        return self.verified


def verify(path, data, params=None, *, model=None, dims=None, precision=None, threads=None, weights=None, tolerance=0.0, **sizes):
    """Holds a program's results against those of a case file, under every engine and form, as `recc verify` does.

    The case has data and what they should give, `output.NAME`, `loss.NAME`, `final.STATE`, `grad.NAME`; `params` is a file of weights, or a list of
    such. A `tolerance` of 0 is each engine's own.
    """
    words, arrays = _options(dims, sizes, params, dict(model=model, precision=precision, threads=threads, weights=weights))
    if arrays:
        raise TypeError("verify takes weights from files, and no arrays")
    verified = _library.c_int32()
    text = _library.text("verify", _library.encoded(path), _library.encoded(data), words, tolerance, _library.byref(verified))
    result = Verification(text)
    result.verified = bool(verified.value)
    return result
