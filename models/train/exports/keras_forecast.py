"""An LSTM forecaster of Keras on TensorFlow, exported by tf2onnx."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import common
import keras
import tensorflow as tf
import tf2onnx

keras.utils.set_random_seed(3)
out = common.folder()
x = common.windows(40, common.STEPS + 1)
inputs = keras.Input((common.STEPS, 2), name="x")
h = keras.layers.Rescaling(1 / common.STD, offset=-common.MEAN / common.STD)(inputs)
h = keras.layers.LSTM(4)(h)
h = keras.layers.Dense(2)(h)
outputs = keras.layers.Rescaling(common.STD, offset=common.MEAN, name="next")(h)
model = keras.Model(inputs, outputs)

signature = [tf.TensorSpec((None, common.STEPS, 2), tf.float32, name="x")]
onx, _ = tf2onnx.convert.from_function(tf.function(lambda x: model(x), input_signature=signature), input_signature=signature, opset=17)
(out / "keras-forecast.onnx").write_bytes(onx.SerializeToString())
common.keep(out, "keras-forecast", f"tensorflow {tf.__version__}, keras {keras.__version__}, tf2onnx {tf2onnx.__version__}", x,
            model.predict(x[:, : common.STEPS], verbose=0), output="forecast")
