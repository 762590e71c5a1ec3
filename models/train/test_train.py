"""Checks of the arithmetic: python -m unittest test_train (about half a minute)."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import export
import lstm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import train
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
    def test_the_file_computes_what_was_trained(self):
        rng = np.random.Generator(np.random.PCG64(1))
        x = rng.normal(2, 3, (5, 7, 4)).astype(np.float32)
        mean, std = np.full(4, 2, np.float32), np.full(4, 3, np.float32)
        for kind in ("autoencoder", "forecaster"):
            a = type("A", (), dict(kind=kind, hidden=6, latent=2))
            params, error, graph = train.network(a, 4, rng)
            want = np.asarray(error(params, (x - mean) / std))
            np.testing.assert_allclose(export.run(graph(params, mean, std), x), want, atol=1e-5)

    def test_ledoit_wolf_shrinks_towards_the_identity(self):
        x = np.random.Generator(np.random.PCG64(1)).normal(0, 2, (4000, 3))
        c = train.ledoit_wolf(x)
        np.testing.assert_allclose(c, 4 * np.eye(3), atol=0.3)
        few = train.ledoit_wolf(x[:4])
        self.assertGreater(np.linalg.eigvalsh(few)[0], 0.01)  # four rows alone would be singular


class Training(unittest.TestCase):
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
