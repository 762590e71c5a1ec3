"""Checks of the arithmetic: python -m unittest test_train (about half a minute)."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import export
import lstm
import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import train
import train_rig
import train_rul
import windows

HERE = pathlib.Path(__file__).parent


class Windows(unittest.TestCase):
    def test_a_row_holds_the_last_value_of_its_period(self):
        t, x = windows.grid({"a/v": (np.array([60.0, 110, 120, 300]), np.array([1.0, 2, 3, 4]))}, ["a/v"], 60)
        np.testing.assert_array_equal(t, [60, 120, 180, 240, 300])
        np.testing.assert_array_equal(x[:, 0], [1, 3, np.nan, np.nan, 4])

    def test_gaps_are_held_for_a_tenth_and_no_longer(self):
        x = np.arange(40, dtype=float).reshape(20, 2)
        x[3, 0] = np.nan
        x[10:13, 1] = np.nan
        ends, w = windows.cut(x, 10)
        self.assertTrue(np.isfinite(w).all())
        self.assertEqual(w[0][3, 0], 4)  # held from row 2
        self.assertNotIn(12, ends)  # rows 3 to 12 miss four of twenty

    def test_nothing_is_learned_around_a_failure(self):
        t = np.arange(0, 40) * 86400.0
        ok = windows.healthy(t, "a", [{"asset": "a", "kind": "failure", "start": None, "end": 20 * 86400.0}])
        self.assertEqual(list(np.flatnonzero(~ok)), list(range(13, 28)))


class Network(unittest.TestCase):
    def options(self, **more):
        return type("A", (), {**dict(kind="forecaster", output="error", stateful=False, targets="", past=False, window=6, hidden=6, latent=2), **more})

    def test_the_file_computes_what_was_trained(self):
        rng = np.random.Generator(np.random.PCG64(1))
        x = rng.normal(2, 3, (5, 7, 4)).astype(np.float32)
        mean, std = np.full(4, 2, np.float32), np.full(4, 3, np.float32)
        names = ["a/v", "b/v", "c/v", "d/v"]
        for more in (dict(kind="autoencoder"), dict(), dict(kind="normal", targets="b/v,d/v"), dict(kind="normal", targets="b/v,d/v", past=True), dict(stateful=True)):
            params, error, graph = train.network(self.options(**more), names, rng)
            params["out"]["b"] = rng.normal(size=4).astype(np.float32)
            want = np.asarray(error(params, (x - mean) / std))
            got = export.run(graph(params, mean, std), x)
            np.testing.assert_allclose(got[0] if isinstance(got, list) else got, want, atol=1e-5)
            if more.get("targets"):
                self.assertEqual(np.abs(want[:, :, [0, 2]]).max(), 0)  # drivers are not judged
                self.assertGreater(np.abs(want[:, :, [1, 3]]).min(axis=(0, 1)).max(), 0)

    def test_a_forecast_is_the_next_row_in_raw_units(self):
        rng = np.random.Generator(np.random.PCG64(2))
        x = rng.normal(2, 3, (5, 8, 4)).astype(np.float32)
        mean, std = np.full(4, 2, np.float32), np.full(4, 3, np.float32)
        params, error, graph = train.network(self.options(output="forecast"), list("abcd"), rng)
        left = np.asarray(error(params, (x - mean) / std))[:, 0]  # of the last row, from those before
        np.testing.assert_allclose(export.run(graph(params, mean, std), x[:, :-1]), x[:, -1] - left * std, atol=1e-4)

    def test_a_model_that_remembers_answers_in_pieces_as_at_once(self):
        rng = np.random.Generator(np.random.PCG64(3))
        x = rng.normal(0, 1, (3, 12, 4)).astype(np.float32)
        params, _, graph = train.network(self.options(stateful=True), list("abcd"), rng)
        model = graph(params, np.zeros(4, np.float32), np.ones(4, np.float32))
        whole, hn, cn = export.run(model, x)
        states, parts = None, []
        for lo in (0, 4, 8):
            part, *states = export.run(model, x[:, lo : lo + 4], states)
            parts.append(part)
        np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-6)
        np.testing.assert_allclose(states[0], hn, atol=1e-6)
        np.testing.assert_allclose(states[1], cn, atol=1e-6)
        alone, *_ = export.run(model, x[:, 4:8])
        self.assertGreater(np.abs(alone - whole[:, 4:8]).max(), 1e-3)  # without its memory it says something else

    def test_remaining_life_is_the_mean_of_the_networks_and_the_trees(self):
        rng = np.random.Generator(np.random.PCG64(4))
        mean, std = np.full(3, 9000, np.float32), np.array([1, 20, 0.1], np.float32)
        norm = lambda w: (w - mean) / std  # noqa: E731
        level = rng.uniform(0, 1, (4, 60))  # what both read in the rows
        rows = level[:, :, None, None] * np.array([1, -1, 0.5]) * np.linspace(0, 2, 12)[:, None] + rng.normal(0, 0.3, (4, 60, 12, 3))
        learn = {k: (np.arange(60), (mean + std * w).astype(np.float32), 125 * y) for k, w, y in zip("abcd", rows, level)}
        a = type("A", (), dict(hidden=5, layers=2, average=4, drop=0.2, noise=0.2, trees=0.4, cap=125, seed=1))
        nets = [train_rul.initial(a, 3, rng) for _ in range(2)]
        forests = [train_rul.trees(a, learn, norm, out) for out in ("a", "b")]
        x = learn["d"][1]
        for some, share in ((forests, 0.4), ((), 0)):
            said = train_rul.mixed(a, train_rul.network(a), nets, some, norm(x))
            want = train_rul.bounded(said, (1.5, 0.7))
            got = export.run(export.rul(nets, mean, std, 1, (1.5, 0.7), 4, some, share, 12), x)
            np.testing.assert_allclose(got, want, atol=1e-5)
            self.assertTrue((np.diff(got, axis=1) >= 0).all())
            self.assertEqual(got[:, 1].std() > 0.05, share > 0)  # untrained networks hardly move, trees follow the level
        self.assertGreater(np.corrcoef(forests[0].predict(train_rul.statistics(norm(x))), level[3])[0, 1], 0.9)

    def test_trees_learn_nothing_of_what_is_left_out(self):
        rng = np.random.Generator(np.random.PCG64(9))
        a = type("A", (), dict(cap=1, seed=1))
        learn = {k: (np.arange(90), rng.normal(size=(90, 10, 2)), np.full(90, float(k == "c"))) for k in "abc"}
        x = train_rul.statistics(learn["c"][1])
        np.testing.assert_allclose(train_rul.trees(a, learn, lambda w: w, "c").predict(x), 0, atol=1e-9)
        self.assertGreater(train_rul.trees(a, learn, lambda w: w, "").predict(x).mean(), 0.3)

    def test_trees_read_statistics_of_the_window(self):
        x = np.stack([np.arange(20.0), np.full(20, 3)], axis=1)[None]
        want = [19, 17, 14.5, 9.5, 1, np.sqrt((20**2 - 1) / 12), 0, 19, 3, 3, 3, 3, 0, 0, 3, 3]
        np.testing.assert_allclose(train_rul.statistics(x), [want], atol=1e-5)

    def test_the_interval_is_stretched_until_it_holds_what_it_promises(self):
        mid, gap, y = np.full(99, 0.5), np.full(99, 0.1), 0.5 + np.linspace(-0.49, 0.49, 99)
        np.testing.assert_allclose(train_rul.stretch((mid, gap, 2 * gap), y, 0.9), (4, 2))

    def test_ledoit_wolf_shrinks_towards_the_identity(self):
        x = np.random.Generator(np.random.PCG64(1)).normal(0, 2, (4000, 3))
        c = train.ledoit_wolf(x)
        np.testing.assert_allclose(c, 4 * np.eye(3), atol=0.3)
        few = train.ledoit_wolf(x[:4])
        self.assertGreater(np.linalg.eigvalsh(few)[0], 0.01)  # four rows alone would be singular


class Calibration(unittest.TestCase):
    def test_a_regime_with_scores_enough_is_calibrated_by_its_own(self):
        rng = np.random.Generator(np.random.PCG64(6))
        err = np.concatenate([rng.normal(0, s, (n, 4, 2)) for s, n in ((1, 150), (3, 150), (2, 99))])
        regimes = ["w1"] * 150 + ["w3"] * 150 + ["w2"] * 99
        k, threshold = train.calibrate(type("A", (), dict(alpha=0.05, score="mse")), err, regimes)
        self.assertEqual(sorted(k["regimes"]), ["w1", "w3"])
        own = (err[:150] ** 2).mean(axis=(1, 2))
        np.testing.assert_allclose(k["regimes"]["w1"]["quantiles"], np.sort(own), rtol=1e-6)
        scores = np.sort((err**2).mean(axis=(1, 2)))
        self.assertAlmostEqual(float(threshold), scores[int(np.ceil(400 * 0.95)) - 1], places=5)

    def test_reference_is_evenly_spaced_quantiles(self):
        r = windows.reference([np.c_[np.arange(81.0), np.full(81, np.nan)]], 4)
        np.testing.assert_allclose(r[0]["quantiles"], np.arange(0, 81, 2))
        self.assertEqual((r[0]["n"], len(r[0]["quantiles"]), r[1]["n"]), (20, 41, 0))

    def test_scores_are_six_hours_apart(self):
        a = type("A", (), dict(window=6, output="error", stateful=False, apart_h=6, period=600, max_windows=99, stride=1))
        fleet = {k: (np.arange(720) * 600.0, np.random.Generator(np.random.PCG64(1)).normal(size=(720, 2))) for k in "abcd"}
        said = {"train": ["a", "b"], "held": ["c", "d"], "until": 400 * 600.0, "calibrate": 360 * 600.0}
        _, _, w, held, when = train.split(a, fleet, said)
        self.assertEqual((held, len(w), len(when)), (["c", "d"], 20, 20))
        self.assertTrue(all(t >= 360 * 600 for _, t in when))
        self.assertEqual(when[1][1] - when[0][1], 6 * 3600)


class Rig(unittest.TestCase):
    def test_values_are_in_the_spread_of_the_learning_span(self):
        # Median 2, median deviation 1; a quantised metric whose median deviation is 0 takes its plain one.
        span = np.array([[0, 5], [1, 5], [2, 5], [3, 5], [4, 9]], float)
        z = train_rig.after_learning(np.vstack([span, [[2 + 1.4826 * 3, 5]], [[2, 5 + 1.6]]]), 5)
        np.testing.assert_allclose(z, [[3, 0], [0, 1]])

    def test_the_file_bends_what_is_far_and_hardly_what_is_near(self):
        x = np.array([[[0, 0.3], [3, -3], [1e6, -1e6]]], np.float32)
        np.testing.assert_allclose(export.run(train_rig.bend(2, 3), x), [[[0, 0.3 / 1.1], [1.5, -1.5], [3, -3]]], rtol=1e-4)

    def test_nothing_after_the_learning_span_of_a_judged_rig_is_read(self):
        rng = np.random.Generator(np.random.PCG64(8))
        a = type("A", (), dict(healthy="sound", settled=0.5, assets=".*", learning_rows=40, judged_rows=60, window=5))
        t = np.arange(300.0)
        telemetry = {k: {n: (t, rng.normal(size=300)) for n in ("x/value", "y/value")} for k in ("sound", "judged")}
        before = train_rig.stretches(a, telemetry, ["x/value", "y/value"])
        telemetry["judged"]["x/value"][1][40:] = 1e9
        after = train_rig.stretches(a, telemetry, ["x/value", "y/value"])
        self.assertEqual([len(z) for z in before], [20, 60, 60, 60])
        for x, y in zip(before, after):
            np.testing.assert_array_equal(x, y)


class Training(unittest.TestCase):
    def export(self, tmp, n=1200):
        """features.parquet and training.json as a training export writes them, with a fault in turbine a."""
        rng = np.random.Generator(np.random.PCG64(7))
        time = np.arange(n) * 600_000_000
        cols = {k: [] for k in ("time", "asset", "component", "channel", "feature", "value", "quality", "regime", "label")}
        for k in range(n):
            for asset in "abcd":
                bad = asset == "a" and 200 <= k < 300
                for f in "xy":
                    row = (time[k], asset, "bearing", "m", f, np.sin(k / 7) + 0.1 * rng.normal() + 99 * bad, 100.0, f"w{k // 600}", "fault" if bad else "healthy")
                    for c, v in zip(cols.values(), row):
                        c.append(v)
        table = pa.table({**cols, "time": pa.array(np.array(cols["time"]).astype("datetime64[us]"), pa.timestamp("us", tz="UTC"))})
        pq.write_table(table, f"{tmp}/features.parquet")
        split = {"train": ["a", "b", "d"], "calibration": ["c"], "train_until": "1970-01-07T00:00:00Z", "calibrate_from": "1970-01-01T00:00:00Z"}
        pathlib.Path(tmp, "training.json").write_text(json.dumps({"sha256": windows.sha256([f"{tmp}/features.parquet"]), "split": split}))

    def test_an_export_is_learned_from_where_it_is_healthy(self):
        with tempfile.TemporaryDirectory() as tmp:
            self.export(tmp)
            for name, more in {"autoencoder": [], "forecast": ["--kind", "forecaster", "--output", "forecast"], "stateful": ["--kind", "forecaster", "--stateful"]}.items():
                subprocess.run([sys.executable, str(HERE / "train.py"), "--features", f"{tmp}/features.parquet", "--class", "pump", "--inputs", "m/x,m/y", "--hidden", "8",
                                "--window", "9", "--apart-h", "1.5", "--epochs", "4", "--alpha", "0.05", "--out", f"{tmp}/m.onnx", *more], check=True, capture_output=True)
                meta = {p.key.removeprefix("pdm."): p.value for p in onnx.load(f"{tmp}/m.onnx").metadata_props}
                reference, k = json.loads(meta["reference"]), json.loads(meta["calibration"])
                self.assertEqual((meta["kind"], meta["training_sha256"]), ("anomaly", windows.sha256([f"{tmp}/features.parquet"])))
                self.assertLess(reference[0]["quantiles"][-1], 3)  # the fault's 99 is not in it
                self.assertEqual(len(reference[0]["quantiles"]), 41)
                self.assertEqual(k["n"], 133)
                self.assertEqual(meta.get("scale") is not None, name == "forecast")
                self.assertEqual(json.loads(meta.get("state", "{}")).get("inputs"), ["h0", "c0"] if name == "stateful" else None)
                self.assertEqual(meta["stride"], "9" if name == "stateful" else "1")

    def test_a_split_of_another_file_is_refused(self):
        with tempfile.TemporaryDirectory() as tmp:
            self.export(tmp, 50)
            path = pathlib.Path(tmp, "training.json")
            path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0'))
            done = subprocess.run([sys.executable, str(HERE / "train.py"), "--features", f"{tmp}/features.parquet", "--class", "pump", "--inputs", "m/x", "--out", f"{tmp}/m"],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("belongs to another features.parquet", done.stderr)

    def test_the_same_seed_gives_the_same_file(self):
        rng = np.random.Generator(np.random.PCG64(5))
        n, rows = 600, []
        for asset in ("a", "b", "c", "d"):
            wave = np.sin(np.arange(n) / 7)
            for feature in ("x", "y"):
                for k in range(n):
                    rows.append((k * 600_000_000, asset, "m", feature, wave[k] + 0.1 * rng.normal(), 100.0))
        rows.sort()
        with tempfile.TemporaryDirectory() as tmp:
            cols = list(zip(*rows))
            pq.write_table(pa.table({"time": pa.array(cols[0], pa.timestamp("us", tz="UTC")), "asset": cols[1], "channel": cols[2],
                                     "feature": cols[3], "value": cols[4], "quality": cols[5]}), f"{tmp}/f.parquet")
            for out in ("1", "2"):
                subprocess.run([sys.executable, str(HERE / "train.py"), "--features", f"{tmp}/f.parquet", "--class", "pump", "--inputs", "m/x,m/y",
                                "--window", "12", "--epochs", "3", "--alpha", "0.05", "--out", f"{tmp}/{out}.onnx"], check=True, capture_output=True)
            one, two = (pathlib.Path(tmp, f"{k}.onnx").read_bytes() for k in "12")
            self.assertEqual(one, two)


if __name__ == "__main__":
    unittest.main()
