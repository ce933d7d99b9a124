"""Models that are functions: formulas, compiled networks, and a server."""

import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import statsmodels.formula.api as smf
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skfme import FMEExplainer, ame, fme
from tests.ecosystem.zoo import STEPS, assert_differences_of, diabetes, library

BMI = {"bmi": -2}


@pytest.fixture(scope="module")
def data():
    return diabetes()


@pytest.fixture(scope="module")
def numbers(data):
    return data[0].drop(columns="sex"), data[1]


class TestStatsmodels:
    FORMULA = "y ~ bmi * C(sex) + np.log(bp) + age"

    def test_fitted_formula_is_a_model_as_it_is(self, data):
        X, y = data
        fitted = smf.ols(self.FORMULA, X.assign(y=y)).fit()
        effects = ame(fitted, X, STEPS)
        b = fitted.params
        slope = b["bmi"] + b["bmi:C(sex)[T.s2]"] * (X["sex"] == "s2")
        counted = effects["bmi -2"].counted
        np.testing.assert_allclose(
            effects["bmi -2"].fme[counted], -2 * slope[counted].to_numpy()
        )
        assert_differences_of(effects, fitted.predict, X, 1e-8)

    def test_probabilities_and_quantiles_of_formulas(self, data):
        X, y = data
        table = X.assign(y=y, severe=(y > 150).astype(int))
        logit = smf.logit("severe ~ bmi * C(sex) + np.log(bp)", table).fit(disp=0)
        assert_differences_of(ame(logit, X, STEPS), logit.predict, X, 1e-8)
        upper = smf.quantreg("y ~ bmi * C(sex)", table).fit(q=0.9)
        assert_differences_of(ame(upper.predict, X, STEPS), upper.predict, X, 1e-8)


class TestJax:
    def test_compiled_function_of_an_array_or_a_table(self, numbers):
        jax = library("jax")
        X, _ = numbers
        w = np.array([0.01, -0.2, 0.03, 1.0])
        compiled = jax.jit(lambda Z: jax.numpy.tanh(Z @ w / 10))
        values = X.to_numpy()
        by_position = fme(compiled, values, {1: -2}, nlm=True)
        expected = np.tanh((values @ w + 0.4) / 10) - np.tanh(values @ w / 10)
        counted = by_position.counted
        np.testing.assert_allclose(
            by_position.fme[counted], expected[counted], rtol=1e-3
        )
        assert by_position.anlm > 0.99
        by_name = fme(lambda X: compiled(jax.numpy.asarray(X.to_numpy())), X, BMI)
        np.testing.assert_array_equal(by_name.fme, by_position.fme)


class TestOnnx:
    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    def test_session_has_the_effects_of_the_model_it_was_made_of(self, numbers):
        onnxruntime = library("onnxruntime")
        skl2onnx = library("skl2onnx")
        X, y = numbers
        model = make_pipeline(
            StandardScaler(),
            MLPRegressor(
                hidden_layer_sizes=(8,), solver="lbfgs", max_iter=200, random_state=0
            ),
        ).fit(X.to_numpy(), y)
        graph = skl2onnx.to_onnx(model, X.to_numpy(dtype=np.float32)[:1])
        session = onnxruntime.InferenceSession(
            graph.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        (entry,) = session.get_inputs()

        def predict(X):
            rows = np.asarray(X, dtype=np.float32)
            return session.run(None, {entry.name: rows})[0]

        effect = fme(predict, X, BMI)
        own = fme(lambda X: model.predict(X.to_numpy()), X, BMI)
        np.testing.assert_allclose(effect.fme, own.fme, rtol=1e-3, atol=1e-2)
        assert effect.sd > 0.1
        with pytest.raises(TypeError, match="such as lambda X: ") as caught:
            fme(session, X, BMI)
        code = str(caught.value).split("such as ")[1].rstrip(".")
        written = fme(eval(code, {"model": session}), X, BMI)
        np.testing.assert_array_equal(written.fme, effect.fme)


class TestTorch:
    @staticmethod
    def network(torch):
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
        )

    def test_plain_module_goes_through_a_function(self, numbers):
        torch = library("torch", "test-torch")
        X, _ = numbers
        network = self.network(torch)
        mean, sd = X.mean().to_numpy(), X.std().to_numpy()

        @torch.no_grad()
        def predict(X):
            scaled = (X.to_numpy() - mean) / sd
            return network(torch.as_tensor(scaled, dtype=torch.float32)).numpy()

        effect = fme(predict, X, BMI)
        first, _, last = network
        weights = [p.detach().double().numpy() for p in (first.weight, first.bias)]
        hidden = [
            np.tanh((x - mean) / sd @ weights[0].T + weights[1])
            for x in (X.to_numpy(), X.assign(bmi=X["bmi"] - 2).to_numpy())
        ]
        out = last.weight.detach().double().numpy()[0]
        expected = (hidden[1] - hidden[0]) @ out
        counted = effect.counted
        np.testing.assert_allclose(effect.fme[counted], expected[counted], atol=1e-5)

    def test_skorch_network_is_an_estimator_like_any(self, numbers):
        torch = library("torch", "test-torch")
        skorch = library("skorch", "test-torch")
        X, y = numbers
        network = skorch.NeuralNetRegressor(
            self.network(torch), max_epochs=5, verbose=0, train_split=None
        )
        single = FunctionTransformer(np.asarray, kw_args={"dtype": np.float32})
        model = make_pipeline(StandardScaler(), single, network)
        explainer = FMEExplainer(model, BMI).fit(X, y.to_numpy("float32")[:, None])
        effect = explainer.explain(X)["bmi -2"]
        fitted = explainer.estimator_
        expected = fitted.predict(X.assign(bmi=X["bmi"] - 2)) - fitted.predict(X)
        counted = effect.counted
        np.testing.assert_allclose(effect.fme[counted], expected[counted, 0], atol=1e-4)


class Server:
    """A model behind HTTP: rows in, predictions out; `failures` answers of 503 first."""

    def __init__(self, model, failures=0):
        self.rows_asked = []
        self.failures = failures
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.rows_asked.append(len(rows))
                if len(server.rows_asked) <= server.failures:
                    self.send_error(503)
                    return
                answer = json.dumps(model.predict(np.array(rows)).tolist()).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        # A proxy of the environment is no way to one's own machine.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def predict(self, X):
        url = f"http://127.0.0.1:{self.http.server_port}"
        body = json.dumps(np.asarray(X).tolist()).encode()
        request = urllib.request.Request(url, body)
        with self.opener.open(request, timeout=30) as answer:
            return np.array(json.loads(answer.read()))


@pytest.fixture(scope="module")
def model(numbers):
    X, y = numbers
    return LinearRegression().fit(X.to_numpy(), y)


class TestServer:
    @pytest.mark.parametrize("n_jobs", [None, 2])
    def test_requests_are_as_large_as_batch_size_says(self, numbers, model, n_jobs):
        X, _ = numbers
        with Server(model) as server:
            effect = fme(server.predict, X, BMI, batch_size=100, n_jobs=n_jobs)
        np.testing.assert_allclose(effect.ame, -2 * model.coef_[1])
        # One row to see the outputs, a few to see that each is predicted by itself; then,
        # of rows that count, before and after the step.
        checks = [1, 32, 32, 11, 1, 1]
        assert max(server.rows_asked) <= 100
        assert server.rows_asked[: len(checks)] == checks
        assert sum(server.rows_asked) == sum(checks) + 2 * effect.n
        assert len(server.rows_asked) <= len(checks) + 2 * 5

    def test_a_failed_request_is_the_callers_own_error(self, numbers, model):
        X, _ = numbers
        with (
            Server(model, failures=1) as server,
            pytest.raises(urllib.error.HTTPError, match="503"),
        ):
            fme(server.predict, X, BMI)
        assert server.rows_asked == [1]

    def test_retries_are_the_callers_own(self, numbers, model):
        X, _ = numbers

        def patient(X):
            for _ in range(3):
                try:
                    return server.predict(X)
                except urllib.error.HTTPError:
                    continue
            raise RuntimeError("the server does not answer")

        with Server(model, failures=2) as server:
            effect = fme(patient, X, BMI)
        np.testing.assert_allclose(effect.ame, -2 * model.coef_[1])


def test_an_object_with_predict_and_a_bound_method_are_models(numbers):
    X, y = numbers
    model = LogisticRegression(max_iter=5000).fit(X, y > 150)

    class Scores:
        def predict(self, X):
            return model.predict_proba(X)[:, 1]

    for given in (Scores(), Scores().predict, lambda X: model.predict_proba(X)[:, 1]):
        expected = fme(model, X, BMI, engine="predict").fme
        effects = fme(given, X, BMI).fme  # tables of other lengths are summed otherwise
        np.testing.assert_allclose(effects, expected, rtol=0, atol=1e-14)
