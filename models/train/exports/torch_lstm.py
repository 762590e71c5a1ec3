"""LSTM networks of PyTorch, exported by its dynamo exporter: an autoencoder of
windows, and the same with the memory handed in and out."""

import common
import onnx
import torch

torch.manual_seed(3)
out = common.folder()
x = torch.from_numpy(common.windows(40))
batch = torch.export.Dim("batch", min=1, max=4096)


class Autoencoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(common.MEAN))
        self.register_buffer("std", torch.from_numpy(common.STD))
        self.encoder = torch.nn.LSTM(2, 4, num_layers=2, batch_first=True)
        self.head = torch.nn.Linear(4, 2)

    def forward(self, x):
        xn = (x - self.mean) / self.std
        y, _ = self.encoder(xn)
        return xn - self.head(y)


class Stateful(Autoencoder):
    def forward(self, x, h0, c0):
        xn = (x - self.mean) / self.std
        y, (hn, cn) = self.encoder(xn, (h0, c0))
        return xn - self.head(y), hn, cn


def bare(path):
    """Takes out where in which source file each node came from: it names folders of this machine."""
    m = onnx.load(path)
    for part in (m, m.graph):
        del part.metadata_props[:]
    for part in (*m.graph.node, *m.graph.input, *m.graph.output, *m.graph.value_info, *m.graph.initializer):
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
        part.doc_string = ""
    path.write_bytes(m.SerializeToString())


tool = f"torch {torch.__version__}"
with torch.no_grad():
    model = Autoencoder().eval()
    torch.onnx.export(model, (x[:2],), str(out / "torch-lstm.onnx"), input_names=["x"], output_names=["err"],
                      dynamic_shapes={"x": {0: batch}}, dynamo=True, external_data=False)
    bare(out / "torch-lstm.onnx")
    common.keep(out, "torch-lstm", tool, x.numpy(), model(x).numpy())

    model = Stateful().eval()
    zero = torch.zeros(2, 2, 4)
    torch.onnx.export(model, (x[:2], zero, zero), str(out / "torch-stateful.onnx"), input_names=["x", "h0", "c0"],
                      output_names=["err", "hn", "cn"], dynamic_shapes={"x": {0: batch}, "h0": {1: batch}, "c0": {1: batch}},
                      dynamo=True, external_data=False)
    bare(out / "torch-stateful.onnx")
    zero = torch.zeros(2, len(x), 4)
    common.keep(out, "torch-stateful", tool, x.numpy(), model(x, zero, zero)[0].numpy(),
                state={"inputs": ["h0", "c0"], "outputs": ["hn", "cn"], "on_swap": "reset"})
