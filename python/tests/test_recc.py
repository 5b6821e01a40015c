"""The package as a user meets it, with NumPy."""

import doctest
import gc
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest
import zipfile

import numpy as np

import recc

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

EVERYTHING = """
model M(D, H) {
  input x: [D]
  input k: int
  input on: bool
  param W: [H, D]
  param U: [H, H]
  param table: [5, H]
  input h0: [H] once = 0
  state h: [H] = h0
  h = if on then tanh(W @ x + U @ h[t-1] + table[k]) else h[t-1]
  loss size = mean[t](sum(h * h))
  output h
}
"""
SUM = "model Sum {\n  input x: real\n  state s: real\n  s = s[t-1] + x\n  output y = s\n}\n"


def data(batch=2, steps=5):
    generator = np.random.default_rng(1)
    return {
        "x": generator.standard_normal((batch, steps, 3)).astype("f"),
        "k": generator.integers(0, 5, (batch, steps)),
        "on": generator.integers(0, 4, (batch, steps)) > 0,
    }


def expected(params, x, k, on, h0=None):
    """The states of EVERYTHING."""
    W, U, table = (np.asarray(params[name], np.float64) for name in ("W", "U", "table"))
    h = np.zeros((len(x), len(W))) if h0 is None else np.asarray(h0, np.float64)
    every = []
    for t in range(x.shape[1]):
        h = np.where(on[:, t, None], np.tanh(x[:, t] @ W.T + h @ U.T + table[k[:, t]]), h)
        every.append(h)
    return np.stack(every, 1)


class Runs(unittest.TestCase):
    def setUp(self):
        self.model = recc.compile(EVERYTHING, D=3, H=4, seed=1)

    def expect(self, part, body, kind=recc.Error):
        with self.assertRaises(kind) as caught:
            body()
        self.assertIn(part, str(caught.exception))
        return caught.exception

    def test_results_are_right(self):
        for options in ({}, {"precision": "f64"}, {"engine": "interpreter"}, {"threads": 2}):
            model = recc.compile(EVERYTHING, D=3, H=4, seed=1, **options)
            given = data()
            results = model(given)
            wanted = expected(model.params, **given)
            np.testing.assert_allclose(results.h, wanted, atol=1e-5)
            np.testing.assert_allclose(results["size"], (wanted**2).sum(-1).mean(), rtol=1e-5)
            np.testing.assert_array_equal(results.final.h, results.h[:, -1])
            self.assertEqual(list(results), ["h", "size"])
            self.assertEqual(results.h.dtype, model.outputs["h"].dtype)

    def test_modules_of_the_standard_library(self):
        x = np.ones((1, 3, 2), np.float32)
        self.assertEqual(recc.load("std.mingru", D=2, H=4, seed=1)(x=x).h.shape, (1, 3, 4))
        text = "import std.gru\nmodel M(D) {\n  input x: [D]\n  layer g = GRU(D, 3)\n  output y = g(x)\n}\n"
        self.assertEqual(recc.compile(text, D=2, seed=1)(x=x).y.shape, (1, 3, 3))
        self.expect("did you mean 'std.gru'?", lambda: recc.load("std.grv", D=2, H=4, seed=1))

    def test_arrays_of_every_kind(self):
        given = data()
        wanted = self.model(given).h
        x = given["x"]
        for other in (x.astype("d"), np.asfortranarray(x), np.repeat(x, 2, axis=2)[:, :, ::2], x[::-1][::-1], x.astype(">f4"), x.tolist()):
            np.testing.assert_array_equal(self.model({**given, "x": other}).h, wanted)
        unaligned = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view("f").reshape(x.shape)
        np.testing.assert_array_equal(self.model({**given, "x": unaligned}).h, wanted)
        read_only = x.copy()
        read_only.flags.writeable = False
        np.testing.assert_array_equal(self.model({**given, "x": read_only}).h, wanted)
        np.testing.assert_array_equal(self.model({**given, "on": given["on"].astype("f"), "k": given["k"].astype("i4")}).h, wanted)
        self.expect("astype('int64')", lambda: self.model({**given, "k": given["k"].astype("i2")}))
        self.expect("no array of numbers", lambda: self.model({**given, "x": "numbers"}))
        self.expect("no array of numbers", lambda: self.model({**given, "x": [[1.0], [1.0, 2.0]]}))
        self.expect("ints", lambda: self.model({**given, "k": given["k"] + 0.5}))
        one = {name: array[0] for name, array in given.items()}
        np.testing.assert_array_equal(self.model(one).h[0], wanted[0])
        empty = self.model({name: array[:0] for name, array in given.items()})
        self.assertEqual(empty.h.shape, (0, 5, 4))

    def test_results_outlive_the_model(self):
        given = data(8, 100)
        h = self.model(given).h
        copy = h.copy()
        del self.model
        gc.collect()
        again = recc.compile(EVERYTHING, D=3, H=4, seed=2)(given).h
        np.testing.assert_array_equal(h, copy)
        self.assertFalse(np.shares_memory(h, again))

    def test_complex_arrays_are_taken_apart(self):
        model = recc.compile("model C {\n  input x: complex\n  state s: complex\n  s = s[t-1] + x\n  output s\n}\n", precision="f64")
        x = np.array([1 + 2j, 3 - 1j])
        np.testing.assert_array_equal(model(x=x)["s"][0, -1], [4, 1])
        self.assertTrue(model.inputs["x"].is_complex)

    def test_inputs_have_names(self):
        x = data()["x"]
        for wrong in (x, x.tolist(), 3.0, "x"):
            self.expect("write x=…", lambda: self.model(wrong), TypeError)
            self.expect("write x=…", lambda: self.model.grad(wrong), TypeError)
            self.expect("write x=…", lambda: self.model.vjp({"h": 1.0}, wrong), TypeError)
        stream = recc.compile(SUM).stream()
        for take in (stream.step, stream.steps):
            self.expect("write x=…", lambda: take(np.ones(3)), TypeError)
        self.expect("dict", lambda: self.model.stream(once=np.ones(3)), TypeError)

    def test_advice_is_in_words_of_python(self):
        bare = recc.compile(EVERYTHING, D=3, H=4)
        error = self.expect("give it in params", lambda: bare(data()))
        self.assertIn("seed=1", error.problems[-1].help)
        self.assertIn("seed=1", error.problems[-1].text)
        errors = [error, self.expect("state=recc.State()", lambda: recc.compile(SUM).stream().state)]
        errors.append(self.expect("give D=64", lambda: recc.compile(EVERYTHING, H=4)(data())))
        errors.append(self.expect("choose one with model", lambda: recc.compile(SUM + SUM.replace("Sum", "Other"))))
        errors.append(self.expect("save of a recc.State", lambda: self.no_state()))
        errors.append(self.expect("chunk by chunk", lambda: recc.compile(EVERYTHING, D=3, H=4, seed=1, plan={"h": "chunkwise(64)"})(data())))
        for error in errors:
            for text in (str(error), *(problem.help or "" for problem in error.problems)):
                for word in ("--", "-D ", "ModelState"):
                    self.assertNotIn(word, text.replace("'recc run --save-state'", ""))

    def no_state(self):
        with tempfile.TemporaryDirectory() as folder:
            self.model.save(f"{folder}/w.safetensors")
            recc.State.load(f"{folder}/w.safetensors")

    def test_names_are_inputs_first(self):
        model = recc.compile("model M {\n  input lengths: real\n  input threads: real\n  output y = lengths + threads\n}\n")
        self.assertEqual(model(lengths=[1.0], threads=[2.0]).y[0, 0], 3)
        model = recc.compile("model M {\n  input inputs: real\n  input wrt: real\n  output y = inputs * wrt\n}\n")
        self.assertEqual(model(inputs=[3.0], wrt=[2.0]).y[0, 0], 6)
        self.assertEqual(model.vjp({"y": [[1.0]]}, inputs=[3.0], wrt=[2.0]).inputs[0, 0], 2)
        with self.assertRaises(TypeError):
            self.model(data(), x=1)

    def test_states_go_on(self):
        given = data()
        whole = self.model(given).h
        parts, state = [], recc.State()
        self.assertEqual(len(state.arrays), 0)
        with tempfile.TemporaryDirectory() as folder:
            for k in range(5):
                results = self.model({name: array[:, k : k + 1] for name, array in given.items()}, state=state)
                parts.append(results.h)
                results.state.save(f"{folder}/s.safetensors")
                state = recc.State.load(f"{folder}/s.safetensors")
        np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=1e-6)
        self.expect("has one at its end", lambda: self.model(given).state)
        with self.assertRaises(TypeError):
            self.model(given, state=3)

    def test_weights(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "w.safetensors"
            self.model.save(path)
            read = recc.compile(EVERYTHING, params=path)
            self.assertEqual(read.dims, {"D": 3, "H": 4})
            np.testing.assert_array_equal(read(data()).h, self.model(data()).h)
        params = dict(self.model.params)
        given = recc.compile(EVERYTHING, params)
        np.testing.assert_array_equal(given(data()).h, self.model(data()).h)
        bare = recc.compile(EVERYTHING, D=3, H=4)
        self.assertEqual(len(bare.params), 0)
        self.expect("missing", lambda: bare(data()))
        np.testing.assert_array_equal(bare(data(), params=params).h, self.model(data()).h)
        changed = self.model.with_params({"W": params["W"] * 0})
        np.testing.assert_array_equal(changed(data()).h, self.model(data(), params={"W": params["W"] * 0}).h)
        self.expect("did you mean 'table'?", lambda: self.model.with_params({"tabel": params["table"]}))
        self.expect("misshapen-tensor", lambda: self.model.with_params({"W": params["U"]}))
        with self.assertRaises(ValueError):
            params["W"][0, 0] = 1

    def test_gradients_are_those_of_differences(self):
        model = recc.compile(EVERYTHING, D=3, H=4, seed=1, precision="f64")
        given = {**data(), "h0": np.full((2, 4), 0.1)}
        gradients = model.grad(given)
        self.assertEqual(set(gradients), {"x", "h0", "W", "U", "table"})
        ct = np.random.default_rng(2).standard_normal((2, 5, 4))
        pulled = model.vjp({"h": ct, "size": 3.0}, given, wrt=["W", "x", "h0"])
        for name in ("W", "x", "h0"):
            numbers = np.array(given.get(name, model.params.get(name)), np.float64)
            for place in [(0,) * numbers.ndim, tuple(size - 1 for size in numbers.shape)]:
                ends = []
                for step in (1e-4, -1e-4):
                    moved = numbers.copy()
                    moved[place] += step
                    results = model({**given, name: moved}) if name in given else model(given, params={name: moved})
                    ends.append((results["size"], (results.h * ct).sum() + 3 * results["size"]))
                (plus, pulled_plus), (minus, pulled_minus) = ends
                self.assertAlmostEqual((plus - minus) / 2e-4, gradients[name][place], places=6)
                self.assertAlmostEqual((pulled_plus - pulled_minus) / 2e-4, pulled[name][place], places=6)
        self.expect("no cotangent", lambda: model.vjp({}, given))
        self.expect("from their beginning", lambda: model.grad(given, state=recc.State()))
        self.expect("from their beginning", lambda: model.vjp({"h": ct}, given, state=recc.State()))
        self.expect("one number", lambda: model.vjp({"size": [1.0, 2.0]}, given))
        np.testing.assert_array_equal(model.vjp({"size": [1.0]}, given).W, gradients["W"])
        self.expect("unknown-name", lambda: model.vjp({"q": ct}, given))
        self.expect("unknown-name", lambda: model.grad(given, wrt="V"))
        self.expect("misshapen-tensor", lambda: model.vjp({"h": ct[0]}, given))
        self.expect("vjp", lambda: recc.compile(SUM).grad(x=[1.0]))

    def test_gradients_compile_once(self):
        """With other parameters each time, nothing is compiled anew: it would take some hundred times as long."""
        import time

        model = recc.compile(EVERYTHING, D=3, H=4, seed=1, cache="off")
        given = data()
        start = time.monotonic()
        model.grad(given)
        first = time.monotonic() - start
        start = time.monotonic()
        for k in range(10):
            model.grad(given, params={"W": np.full((4, 3), 0.1 * k)})
        self.assertLess((time.monotonic() - start) / 10, first / 3)

    def test_streams(self):
        for precision in ("f32", "f64"):
            model = recc.compile(EVERYTHING, D=3, H=4, seed=1, precision=precision)
            given = {**data(2, 7), "h0": np.full((2, 4), 0.1)}
            whole = model(given).h
            h0 = given.pop("h0")
            stream = model.stream(batch=2, capacity=3, h0=h0, state=recc.State())
            np.testing.assert_allclose(stream.steps(given).h, whole, atol=1e-6)
            end = stream.state
            stream.reset()
            steps = [stream.step({name: array[:, k] for name, array in given.items()}).h for k in range(7)]
            np.testing.assert_allclose(np.stack(steps, 1), whole, atol=1e-6)
            again = stream.step({name: array[:, 0] for name, array in given.items()}).h
            stream.resume(end)
            np.testing.assert_allclose(stream.step({name: array[:, 0] for name, array in given.items()}).h, again, atol=1e-6)
            one = model.stream(h0=h0[:1])
            for k in range(3):
                np.testing.assert_allclose(one.step({name: array[0, k] for name, array in given.items()}).h, whole[0, k], atol=1e-6)
        first = {name: array[:, 0] for name, array in given.items()}
        self.expect("is missing", lambda: stream.step(x=first["x"]))
        self.expect("no input 'y'", lambda: stream.step({**first, "y": 1}))
        self.expect("is expected", lambda: stream.step({**first, "x": first["x"][:, :2]}))
        self.expect("whole numbers", lambda: stream.step({**first, "k": first["k"] + 0.5}))
        self.expect("bools", lambda: stream.step({**first, "on": first["on"] + 2}))
        self.expect("bad-call", lambda: stream.advance(4))
        self.expect("bad-call", lambda: stream.restore(model.stream(batch=2, h0=h0).snapshot()))
        self.expect("bad-call", lambda: model.stream(batch=0))
        self.expect("", lambda: model.stream(h_0=h0))

    def test_drafts(self):
        model = recc.compile(EVERYTHING, D=3, H=4, seed=1)
        given = data(2, 7)
        whole = model(given).h
        stream = model.stream(batch=2, capacity=4, state=recc.State())
        tried = stream.draft({name: array[:, :4] for name, array in given.items()})
        np.testing.assert_allclose(tried.h, whole[:, :4], atol=1e-6)
        stream.accept(2)
        self.assertEqual(stream.step_count, 2)
        np.testing.assert_allclose(stream.steps({name: array[:, 2:] for name, array in given.items()}).h, whole[:, 2:], atol=1e-6)
        self.expect("from 1 to 4", lambda: stream.draft(given))
        self.expect("bad-call", lambda: stream.accept(1))
        self.expect("bad-call", lambda: model.stream(batch=2).draft({name: array[:, :1] for name, array in given.items()}))

    def test_programs_are_held_against_cases(self):
        with tempfile.TemporaryDirectory() as folder:
            program, case = pathlib.Path(folder) / "sum.rec", pathlib.Path(folder) / "case.npz"
            program.write_text(SUM)
            x = np.arange(4.0).reshape(1, 4)
            np.savez(case, **{"input.x": x, "output.y": np.cumsum(x, 1)})
            said = recc.verify(program, case)
            self.assertTrue(said)
            self.assertIn("verified: 1 tensor", said)
            self.assertIn("compiled f64", said)
            self.assertNotIn("compiled f64", recc.verify(program, case, precision="f32"))
            np.savez(case, **{"input.x": x, "output.y": np.cumsum(x, 1) + 1})
            said = recc.verify(program, case)
            self.assertFalse(said)
            self.assertIn("failed", said)
            self.assertTrue(recc.verify(program, case, tolerance=1.0))
            self.expect("file-problem", lambda: recc.verify(program, f"{folder}/none.npz"))
            self.expect("tolerance", lambda: recc.verify(program, case, tolerance=-1.0))

    def test_memory_of_streams_outlives_them(self):
        stream = recc.compile(SUM).stream()
        x, y = stream.inputs.x, stream.outputs.y
        del stream
        gc.collect()
        x[:] = 3
        self.assertEqual(y.shape, (1, 1))
        with self.assertRaises(ValueError):
            y[:] = 3

    def test_threads(self):
        given = data(4, 300)
        wanted = self.model(given).h
        problems = []

        def work():
            for _ in range(20):
                if not np.array_equal(self.model(given, threads=2).h, wanted):
                    problems.append("other results")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])

    def test_errors_teach(self):
        error = self.expect("^", lambda: recc.compile(EVERYTHING.replace("W @ x", "W @ h0"), D=3, H=4, name="m.rec"))
        self.assertEqual((error.id, error.problems[0].file), ("shape-mismatch", "m.rec"))
        self.assertIsInstance(error.problems[0].line, int)
        self.expect("its dims are D, H", lambda: recc.compile(EVERYTHING, D=3, G=4))
        self.expect("f32 or f64", lambda: recc.compile(SUM, precision="f16"))
        self.expect("chunkwise(64)", lambda: recc.compile(SUM, plan={"s": "fast"}))
        self.expect("file-problem", lambda: recc.load("/nowhere/x.rec"))
        self.expect("did you mean 'x'?", lambda: self.model(xx=1))
        self.expect("among the results", lambda: self.model(data()).hh, AttributeError)
        self.expect("among the results", lambda: self.model(data())["hh"], KeyError)
        self.expect("whole number", lambda: recc.compile(EVERYTHING, D=3.5, H=4), TypeError)
        for threads in (-1, 1025, 2**32 + 1, -(2**40)):
            self.expect("threads", lambda: self.model(data(), threads=threads))
        self.expect("{'h': 'scan'}", lambda: recc.compile(SUM, plan="scan"), TypeError)
        for wrong in ([1], 3, "W"):
            self.expect("dict", lambda: self.model(data(), params=wrong), TypeError)
            self.expect("dict", lambda: self.model.with_params(wrong), TypeError)
            self.expect("dict", lambda: self.model.vjp(wrong, data()), TypeError)
        for lengths in ([1.7, 2], ["a", "b"], [float("nan"), 1], [[1, 2]], [6, 1], [-1, 1]):
            self.expect("length", lambda: self.model(data(), lengths=lengths))
        across = recc.compile("model M {\n  input x: real\n  input y: real over s\n  output z = x * sum[s](y)\n}\n")
        given = {"x": [[1.0, 2.0], [3.0, 4.0]], "y": [[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]]}
        self.assertEqual(across(given, lengths={"s": [1, 2]}).z.tolist(), [[1, 2], [9, 12]])
        self.assertEqual(across(given, lengths={"t": [1, 2], "s": [3, 2]}).z.tolist(), [[7, 0], [9, 12]])
        self.expect("lengths.u", lambda: across(given, lengths={"u": [1, 2]}))
        self.expect("pickled", lambda: __import__("pickle").dumps(self.model), TypeError)

    def test_texts_explain(self):
        self.assertIn("recurrence of h", self.model.explain(batch=2, length=64))
        self.assertIn("recurrences", self.model.explain(as_json=True))
        self.assertIn("grad.h", self.model.explain(grad=True))
        self.assertIn("param table: [5, H=4] float32", repr(self.model))


class Packages(unittest.TestCase):
    def test_the_document_is_so(self):
        os.chdir(ROOT)
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        text = (ROOT / "docs" / "python.md").read_text()
        # The parts that need torch and jax are tested where these are.
        text = text[: text.index("## PyTorch")]
        case = doctest.DocTestParser().get_doctest(text, {}, "docs/python.md", "docs/python.md", 0)
        self.assertGreater(len(case.examples), 20)
        result = doctest.DocTestRunner(optionflags=flags).run(case)
        self.assertEqual(result.failed, 0)

    def test_the_wheel_holds_all(self):
        """The wheel is all that is needed, wherever it lies."""
        library = recc._library._library._name
        with tempfile.TemporaryDirectory() as folder:
            builder = ROOT / "python" / "wheel_builder.py"
            environment = {**os.environ, "RECC_LIBRARY": library}
            path = subprocess.run(
                [sys.executable, str(builder), folder], env=environment, capture_output=True, text=True, check=True
            ).stdout.strip()
            self.assertIn(recc.__version__, path)
            with zipfile.ZipFile(path) as wheel:
                self.assertIsNone(wheel.testzip())
                wheel.extractall(f"{folder}/site")
            environment = {**os.environ, "PYTHONPATH": f"{folder}/site"}
            environment.pop("RECC_LIBRARY", None)
            program = "import recc; print(recc.__file__, recc.compile('model M {\\n  input x: real\\n  output y = x + 1\\n}\\n')(x=[1.0]).y)"
            said = subprocess.run(
                [sys.executable, "-c", program], env=environment, cwd=folder, capture_output=True, text=True, check=True
            ).stdout
            self.assertIn(f"{folder}/site", said)
            self.assertIn("[[2.]]", said)

    def test_a_missing_library_is_told(self):
        environment = {**os.environ, "RECC_LIBRARY": "/nowhere/librecc-c.so", "PYTHONPATH": str(ROOT / "python")}
        said = subprocess.run([sys.executable, "-c", "import recc"], env=environment, capture_output=True, text=True).stderr
        self.assertIn("/nowhere/librecc-c.so", said)
        self.assertIn("make python", said)


if __name__ == "__main__":
    unittest.main()
