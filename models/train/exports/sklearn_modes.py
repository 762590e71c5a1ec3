"""A classifier of scikit-learn on a window in one row, exported by skl2onnx."""

import common
import numpy as np
import skl2onnx
import sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

out = common.folder()
x = common.windows(240)
flat = x.reshape(len(x), -1)
y = np.digitize((flat - flat.mean(axis=0)).sum(axis=1), [-1, 1])
MODES = ["imbalance", "", "misalignment"]

for name, model in {
    "sklearn-forest": make_pipeline(StandardScaler(), RandomForestClassifier(5, max_depth=3, random_state=0)),
    "sklearn-logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
}.items():
    model.fit(flat, y)
    onx = skl2onnx.convert_sklearn(
        model, initial_types=[("x", FloatTensorType([None, flat.shape[1]]))], options={id(model): {"zipmap": False}}, target_opset={"": 17, "ai.onnx.ml": 3})
    (out / f"{name}.onnx").write_bytes(onx.SerializeToString())
    # Two outputs, label and probabilities: the second is the one that is read.
    common.keep(out, name, f"scikit-learn {sklearn.__version__}, skl2onnx {skl2onnx.__version__}", x[:40], model.predict_proba(flat[:40]),
                kind="classifier", output="modes", graph_output="probabilities", modes=MODES)
